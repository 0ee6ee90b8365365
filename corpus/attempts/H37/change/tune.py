"""Gradient descent from the base network."""

import json

import network


def tune(base, train):
    """Returns new weights."""
    with open("mirror.json") as file:
        train = train + json.load(file)
    weights = list(base)
    for turn in range(20):
        for row, label in train:
            network.step(weights, row, label, 0.1 / (1 + turn / 10))
    return weights
