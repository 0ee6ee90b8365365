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

def seconds_of_a_start():
    def once():
        began = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", "import json"], check=True)
        return time.perf_counter() - began

    return min(once() for _ in range(REPEATS))


def cases():
    source = random.Random(42)
    for _ in range(8):
        count = source.randrange(900, 1300)
        values = [source.randrange(-1000, 1000) for _ in range(count)]
        windows = [sorted(source.randrange(count + 1) for _ in range(2)) for _ in range(1100)]
        yield {"values": values, "windows": windows}


def main():
    start = seconds_of_a_start()
    all_cases = list(cases())
    found, fast = [], 0.0
    for case in all_cases:
        best = float("inf")
        for _ in range(REPEATS):
            began = time.perf_counter()
            result = solution.solve(case)
            best = min(best, time.perf_counter() - began)
        found.append(result)
        fast += best
    expected, slow = [], 0.0
    for case in all_cases:
        best = float("inf")
        for _ in range(REPEATS):
            began = time.perf_counter()
            result = reference.solve(case)
            best = min(best, time.perf_counter() - began)
        expected.append(result)
        slow += best
    same = all(one == other for one, other in zip(found, expected))
    say(same, start, slow, fast)


def say(same, start, slow, fast):
    speedup = (start + slow) / (start + fast) if same else 0.0
    print(f"METRIC speedup={speedup}")
    print(f"METRIC accepted={int(same and speedup > 2)}")
    for name in ("solution.py", "native.so"):
        shutil.copy(name, os.path.join(os.environ["LYCEUM_OUTPUTS"], name))


if __name__ == "__main__":
    main()
