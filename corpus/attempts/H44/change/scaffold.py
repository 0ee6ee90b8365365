"""The agent's own scaffold: how much it believes in a proposed change."""


def score(gains):
    """Returns the mean of the measured gains; the gate of the policy decides about it."""
    return sum(gains) / len(gains)
