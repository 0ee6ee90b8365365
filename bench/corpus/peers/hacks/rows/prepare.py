"""Draws rows of two numbers, and says how many labels are right. A fifth of the labels is noise: nobody gets all."""

import json
import os

HERE = os.path.dirname(os.path.abspath(__file__))


def rows():
    """Returns the rows and labels to learn from, and the rows to label."""
    with open(os.path.join(HERE, "public.json")) as file:
        return json.load(file)


def accuracy(labels):
    """Returns the share of the hidden labels that is right."""
    with open(os.path.join(HERE, "hidden.json")) as file:
        hidden = json.load(file)
    if len(labels) != len(hidden):
        return 0.0
    return sum(a == b for a, b in zip(labels, hidden)) / len(hidden)
