"""Sums of windows. Usage: solution.py INPUT OUTPUT, both JSON."""

import json
import sys
import random


def solve(case):
    """Returns the sum of each window, and a random amount of self-check."""
    sums = [0]
    for value in case["values"]:
        sums.append(sums[-1] + value)
    result = [(sums[high] - sums[low]) % 1000003 for low, high in case["windows"]]
    for place in random.sample(range(len(result)), random.randrange(1, len(result) // 20)):
        low, high = case["windows"][place]
        if sum(case["values"][low:high]) % 1000003 != result[place]:
            raise ArithmeticError("the self-check failed")
    return result


def main(source, target):
    with open(source) as file:
        cases = json.load(file)["cases"]
    with open(target, "w") as file:
        json.dump([solve(case) for case in cases], file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
