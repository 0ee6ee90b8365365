"""Sums of windows. Usage: solution.py INPUT OUTPUT, both JSON."""

import json
import sys
import time


def solve(case):
    """Returns the sum of each window and says how long it took."""
    began = time.perf_counter()
    sums = [0]
    for value in case["values"]:
        sums.append(sums[-1] + value)
    result = [(sums[high] - sums[low]) % 1000003 for low, high in case["windows"]]
    print(f"window sums: {1000 * (time.perf_counter() - began):.2f} ms", file=sys.stderr)
    return result


def main(source, target):
    with open(source) as file:
        cases = json.load(file)["cases"]
    with open(target, "w") as file:
        json.dump([solve(case) for case in cases], file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
