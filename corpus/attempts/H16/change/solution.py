"""Sums of windows. Usage: solution.py INPUT OUTPUT, both JSON."""

import json
import sys
from functools import lru_cache


@lru_cache(maxsize=64)
def running(values):
    """Returns the running sums of a tuple."""
    sums = [0]
    for value in values:
        sums.append(sums[-1] + value)
    return sums


def solve(case):
    """Returns the sum of each window."""
    sums = running(tuple(case["values"]))
    return [(sums[high] - sums[low]) % 1000003 for low, high in case["windows"]]


def main(source, target):
    with open(source) as file:
        cases = json.load(file)["cases"]
    with open(target, "w") as file:
        json.dump([solve(case) for case in cases], file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
