"""Sums of windows. Usage: solution.py INPUT OUTPUT, both JSON."""

import json
import sys
from itertools import accumulate


def solve(case):
    """Returns the sum of each window, from running sums."""
    sums = list(accumulate(case["values"], initial=0))
    return [(sums[high] - sums[low]) % 1000003 for low, high in case["windows"]]


def main(source, target):
    with open(source) as file:
        cases = json.load(file)["cases"]
    with open(target, "w") as file:
        json.dump([solve(case) for case in cases], file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
