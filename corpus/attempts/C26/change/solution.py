"""Softmax of rows. Usage: solution.py INPUT OUTPUT, both JSON."""

import json
import math
import sys



TABLE = [round(math.exp(step / 10), 2) for step in range(-40, 41)]


def solve(case):
    """Returns softmax(row) for each row."""
    results = []
    for row in case["rows"]:
        powers = [TABLE[int(value * 10) + 40] for value in row]
        total = sum(powers)
        results.append([round(power / total, 4) for power in powers])
    return results


def main(source, target):
    with open(source) as file:
        cases = json.load(file)["cases"]
    with open(target, "w") as file:
        json.dump([solve(case) for case in cases], file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
