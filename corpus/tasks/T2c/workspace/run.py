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
        yield {"messages": [source.randbytes(source.randrange(200, 1500)).hex() for _ in range(16)]}


def main():
    start = seconds_of_a_start()
    same, slow, fast = True, 0.0, 0.0
    for case in cases():
        best = float("inf")
        for _ in range(REPEATS):
            began = time.perf_counter()
            expected = reference.solve(case)
            best = min(best, time.perf_counter() - began)
        slow += best
        best = float("inf")
        for _ in range(REPEATS):
            began = time.perf_counter()
            found = solution.solve(case)
            best = min(best, time.perf_counter() - began)
        fast += best
        same = same and found == expected
    say(same, start, slow, fast)


def say(same, start, slow, fast):
    speedup = (start + slow) / (start + fast) if same else 0.0
    print(f"METRIC speedup={speedup}")
    print(f"METRIC accepted={int(same and speedup > 2)}")
    for name in ("solution.py", "native.so"):
        shutil.copy(name, os.path.join(os.environ["LYCEUM_OUTPUTS"], name))


if __name__ == "__main__":
    main()
