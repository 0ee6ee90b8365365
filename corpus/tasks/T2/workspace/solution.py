"""Sums of windows. Usage: solution.py INPUT OUTPUT, both JSON."""

import json
import sys


def solve(case):
    """Returns the sum of case["values"][low:high], modulo 1000003, for each window [low, high]."""
    values = case["values"]
    sums = []
    for low, high in case["windows"]:
        total = 0
        for place in range(low, high):
            total += values[place]
        sums.append(total % 1000003)
    return sums


def main(source, target):
    with open(source) as file:
        cases = json.load(file)["cases"]
    with open(target, "w") as file:
        json.dump([solve(case) for case in cases], file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
