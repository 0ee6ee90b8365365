"""Counts single characters."""

from collections import Counter


def train(text):
    """Returns a model: for each context of `order` characters the probability of the next one."""
    counts = Counter(text)
    total = sum(counts.values())
    alphabet = "abcdefghijklmnopqrstuvwxyz ."
    share = {c: (counts[c] + 0.5) / (total + 0.5 * len(alphabet)) for c in alphabet}
    return {"order": 0, "contexts": {"": share}}
