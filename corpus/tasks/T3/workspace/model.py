"""Predicts the commonest class."""

from collections import Counter


def predict(train, test):
    """Returns a class for each row of `test`; `train` is a list of (row, class)."""
    commonest = Counter(label for _, label in train).most_common(1)[0][0]
    return [commonest for _ in test]
