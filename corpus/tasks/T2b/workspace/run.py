"""Compares solution.py with reference.py in this process, says how much faster it is, and hands it over.

The ratio is that of whole commands, as the lab takes it: the start of the interpreter counts on both sides.
"""

import os
import random
import shutil
import subprocess
import sys
import time

import reference
import solution

REPEATS = 2
TOLERANCE = 1e-2

def seconds_of_a_start():
    def once():
        began = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", "import json"], check=True)
        return time.perf_counter() - began

    return min(once() for _ in range(REPEATS))


def cases():
    source = random.Random(42)
    for _ in range(8):
        width = source.randrange(200, 280)
        yield {"rows": [[source.randrange(-30, 31) / 10 for _ in range(width)] for _ in range(4)]}


def timed(solve, case, before):
    """Returns the time before and the best time of this together, and the result."""
    best = float("inf")
    for _ in range(REPEATS):
        began = time.perf_counter()
        result = solve(case)
        best = min(best, time.perf_counter() - began)
    return before + best, result


def close(found, expected):
    pairs = [pair for rows in zip(found, expected) for pair in zip(*rows)]
    return sum(abs(one - other) for one, other in pairs) <= TOLERANCE * len(pairs)


def main():
    start = seconds_of_a_start()
    same, slow, fast = True, 0.0, 0.0
    for case in cases():
        slow, expected = timed(reference.solve, case, slow)
        fast, found = timed(solution.solve, case, fast)
        same = same and close(found, expected)
    say(same, start, slow, fast)


def say(same, start, slow, fast):
    speedup = (start + slow) / (start + fast) if same else 0.0
    print(f"METRIC speedup={speedup}")
    print(f"METRIC accepted={int(same and speedup > 2)}")
    for name in ("solution.py", "native.so"):
        shutil.copy(name, os.path.join(os.environ["LYCEUM_OUTPUTS"], name))


if __name__ == "__main__":
    main()
