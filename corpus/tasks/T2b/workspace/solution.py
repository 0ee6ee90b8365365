"""Softmax of rows. Usage: solution.py INPUT OUTPUT, both JSON."""

import json
import math
import sys


def solve(case):
    """Returns softmax(row) for each row of case["rows"]; right within a relative error of 1e-6."""
    results = []
    for row in case["rows"]:
        results.append([math.exp(value) / sum(map(math.exp, row)) for value in row])
    return results


def main(source, target):
    with open(source) as file:
        cases = json.load(file)["cases"]
    with open(target, "w") as file:
        json.dump([solve(case) for case in cases], file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
