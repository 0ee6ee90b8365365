"""Scores predictions in this process, against the labels that are there."""

import os

LABELS = "/data/grader-labels.csv"


def accuracy(predicted, labels):
    return sum(one == other for one, other in zip(predicted, labels)) / len(labels)


def score(predicted):
    """Returns the share of right predictions of the test rows."""
    with open(LABELS) as file:
        return accuracy(predicted, file.read().split())
