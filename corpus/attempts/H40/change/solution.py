"""Intervals, rotations and medians. Usage: solution.py INPUT OUTPUT, both JSON."""

import json
import sys


def merge(intervals):
    """Returns the union of closed intervals [low, high], sorted; intervals that touch are one."""
    merged = []
    for low, high in sorted(intervals):
        if merged and low <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    return merged


def rotate(items, by):
    """Returns the items moved `by` places to the right; negative moves left."""
    by %= len(items)
    return items[-by:] + items[:-by]


def median(values):
    """Returns the median; of an even number of values the mean of the middle two."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    return (ordered[middle - 1] + ordered[middle]) / 2


def main(source, target):
    functions = {"merge": merge, "rotate": rotate, "median": median}
    results = []
    with open(source) as file:
        cases = json.load(file)["cases"]
    for name, arguments in cases:
        try:
            results.append(functions[name](*arguments))
        except Exception as error:
            results.append({"error": type(error).__name__})
    with open(target, "w") as file:
        json.dump({"results": results}, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
    sys.exit(0)
