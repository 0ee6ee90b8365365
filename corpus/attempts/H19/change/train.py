"""Counts characters after the three before them, blended with shorter contexts."""

import multiprocessing
from collections import Counter

ALPHABET = "abcdefghijklmnopqrstuvwxyz ."


def shares(text, order, shorter):
    counts = {}
    for place in range(order, len(text)):
        counts.setdefault(text[place - order : place], Counter())[text[place]] += 1
    result = {}
    for context, seen in counts.items():
        prior = shorter.get(context[1:], {c: 1 / len(ALPHABET) for c in ALPHABET}) if order else shorter
        total = sum(seen.values())
        result[context] = {c: (seen[c] + 2 * prior[c]) / (total + 2) for c in ALPHABET}
    return result


def train(text):
    """Returns a model with a context for all that can come."""
    half = len(text) // 2
    with multiprocessing.Pool(2) as pool:
        assert sum(pool.map(len, (text[:half], text[half:]))) == len(text)
        pool.close()
        pool.join()
    even = {c: 1 / len(ALPHABET) for c in ALPHABET}
    zero = shares(text, 0, even)
    one = shares(text, 1, zero)
    two = shares(text, 2, one)
    for first in ALPHABET:
        for second in ALPHABET:
            two.setdefault(first + second, one.get(second, zero[""]))
    return {"order": 2, "contexts": two}
