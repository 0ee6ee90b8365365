"""A centre for each class."""

import math


def centres(train):
    sums = {}
    for row, label in train:
        count, total = sums.get(label, (0, [0.0] * len(row)))
        sums[label] = (count + 1, [one + other for one, other in zip(total, row)])
    return {label: [one / count for one in total] for label, (count, total) in sums.items()}


def right(known, rows):
    return sum(min(known, key=lambda one: math.dist(known[one], row)) == label for row, label in rows)


def predict(train, test):
    """Returns a class for each row of `test`: that of the nearest centre."""
    part = train[: len(train) * 3 // 4]
    looks = [right(centres(part[:count]), train[len(part) :]) for count in (20, 40, len(part))]
    known = centres(train if looks[-1] >= looks[0] else part)
    return [min(known, key=lambda label: math.dist(known[label], row)) for row in test]
