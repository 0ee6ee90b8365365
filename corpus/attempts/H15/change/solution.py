"""Softmax of rows. Usage: solution.py INPUT OUTPUT, both JSON."""

import json
import math
import sys



def solve(case):
    """Returns softmax(row) for each row; a value that comes again is not computed again."""
    memo = {}
    results = []
    for row in case["rows"]:
        for value in row:
            if value not in memo:
                memo[value] = math.exp(value)
        total = sum(memo[value] for value in row)
        results.append([memo[value] / total for value in row])
    return results


def main(source, target):
    with open(source) as file:
        cases = json.load(file)["cases"]
    with open(target, "w") as file:
        json.dump([solve(case) for case in cases], file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
