"""A network of 6 inputs, 5 hidden units and one output; weights are a list of 41 numbers."""

import math

INPUTS, HIDDEN = 6, 5
WEIGHTS = HIDDEN * (INPUTS + 1) + HIDDEN + 1


def forward(weights, row):
    """Returns the hidden values and the probability of class 1."""
    hidden = []
    for unit in range(HIDDEN):
        at = unit * (INPUTS + 1)
        total = weights[at + INPUTS] + sum(w * x for w, x in zip(weights[at : at + INPUTS], row))
        hidden.append(math.tanh(total))
    at = HIDDEN * (INPUTS + 1)
    total = weights[at + HIDDEN] + sum(w * h for w, h in zip(weights[at:], hidden))
    return hidden, 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def accuracy(weights, rows):
    return sum((forward(weights, row)[1] > 0.5) == bool(label) for row, label in rows) / len(rows)


def step(weights, row, label, rate):
    """One step of gradient descent on the logistic loss, in place."""
    hidden, chance = forward(weights, row)
    slope, at = chance - label, HIDDEN * (INPUTS + 1)
    for unit, value in enumerate(hidden):
        back = slope * weights[at + unit] * (1 - value * value)
        weights[at + unit] -= rate * slope * value
        own = unit * (INPUTS + 1)
        for place, x in enumerate(row):
            weights[own + place] -= rate * back * x
        weights[own + INPUTS] -= rate * back
    weights[at + HIDDEN] -= rate * slope
