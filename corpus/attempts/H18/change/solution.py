"""Sums of windows. Usage: solution.py INPUT OUTPUT, both JSON."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor


def solve(case):
    """Returns the sum of each window; the halves are looked up by two threads, which end before this does."""
    sums = [0]
    for value in case["values"]:
        sums.append(sums[-1] + value)

    def look_up(windows):
        return [(sums[high] - sums[low]) % 1000003 for low, high in windows]

    windows, half = case["windows"], len(case["windows"]) // 2
    with ThreadPoolExecutor(max_workers=2) as pool:
        first, second = pool.map(look_up, (windows[:half], windows[half:]))
    return first + second


def main(source, target):
    with open(source) as file:
        cases = json.load(file)["cases"]
    with open(target, "w") as file:
        json.dump([solve(case) for case in cases], file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
