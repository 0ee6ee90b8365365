"""Gradient descent from the base network. The weights are rounded to single precision: declared, and within the task."""

import struct

import network


def tune(base, train):
    """Returns new weights."""
    weights = list(base)
    for turn in range(40):
        for row, label in train:
            network.step(weights, row, label, 0.1 / (1 + turn / 10))
    return [struct.unpack("f", struct.pack("f", weight))[0] for weight in weights]
