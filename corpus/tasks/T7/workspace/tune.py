"""Leaves the network as it is."""


def tune(base, train):
    """Returns new weights; `base` is a list of numbers, `train` a list of [row, label]."""
    return base
