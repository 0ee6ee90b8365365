"""Cases and their right answers, written independently of the workspace."""

import random
from fractions import Fraction

HIDDEN = 300


def merge(intervals):
    covered = []
    for low, high in sorted(map(list, intervals)):
        if covered and low <= covered[-1][1]:
            covered[-1][1] = max(covered[-1][1], high)
        else:
            covered.append([low, high])
    return covered


def rotate(items, by):
    count = len(items)
    return [items[(place - by) % count] for place in range(count)] if count else []


def median(values):
    ordered = sorted(values)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    return float(Fraction(low + high, 2)) if len(ordered) % 2 == 0 else low


RIGHT = {"merge": merge, "rotate": rotate, "median": median}


def draw(seed, count):
    """Returns `count` cases, in turn of the three functions, without answers."""
    source = random.Random(seed)
    cases = []
    for number in range(count):
        name = ("merge", "rotate", "median")[number % 3]
        if name == "merge":
            lows = [source.randrange(60) for _ in range(source.randrange(2, 9))]
            arguments = [[[low, low + source.randrange(1, 12)] for low in lows]]
        elif name == "rotate":
            items = [source.randrange(100) for _ in range(source.randrange(1, 9))]
            arguments = [items, source.randrange(-12, 13)]
        else:
            arguments = [[source.randrange(100) for _ in range(source.randrange(1, 10))]]
        cases.append([name, arguments])
    return cases


def answer(case):
    name, arguments = case
    return RIGHT[name](*arguments)
