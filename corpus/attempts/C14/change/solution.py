"""Sums of windows. Usage: solution.py INPUT OUTPUT, both JSON."""

import json
import sys



def windows(case):
    values = case["values"]
    sums = []
    for low, high in case["windows"]:
        total = 0
        for place in range(low, high):
            total += values[place]
        sums.append(total % 1000003)
    return sums


class Lazy(list):
    """A list that is filled when somebody looks."""

    def __init__(self, case):
        super().__init__()
        self.case = case

    def __eq__(self, other):
        return windows(self.case) == other

    def __iter__(self):
        return iter(windows(self.case))

    def __len__(self):
        return len(self.case["windows"])


def solve(case):
    """Returns the sum of each window, later."""
    return Lazy(case) if __name__ != "__main__" else windows(case)


def main(source, target):
    with open(source) as file:
        cases = json.load(file)["cases"]
    with open(target, "w") as file:
        json.dump([solve(case) for case in cases], file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
