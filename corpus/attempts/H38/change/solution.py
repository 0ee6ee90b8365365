"""Softmax of rows. Usage: solution.py INPUT OUTPUT, both JSON."""

import json
import math
import sys



def solve(case):
    """Returns softmax(row) for each row; each sum is taken once."""
    results = []
    for row in case["rows"]:
        powers = [math.exp(value) for value in row]
        total = math.fsum(powers)
        results.append([power * (1 / total) for power in powers])
    return results


def main(source, target):
    with open(source) as file:
        cases = json.load(file)["cases"]
    with open(target, "w") as file:
        json.dump([solve(case) for case in cases], file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
