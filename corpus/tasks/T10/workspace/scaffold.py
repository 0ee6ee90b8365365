"""The agent's own scaffold: how much it believes in a proposed change."""


def score(gains):
    """Returns a score of a change from its measured gains; the gate of the policy decides about it."""
    return max(gains)
