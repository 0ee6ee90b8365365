"""Samples with outliers, and estimators of their centre."""

import random


def sample(centre, seed):
    """Returns 40 numbers around `centre`; one in five is an outlier."""
    source = random.Random(seed)
    return [centre + (source.gauss(0, 12) if source.random() < 0.2 else source.gauss(0, 1)) for _ in range(40)]


def estimate(method, trim, values):
    """Returns the mean, the median, or the mean without a share of both ends."""
    ordered = sorted(values)
    if method == "median":
        return (ordered[19] + ordered[20]) / 2
    cut = int(len(ordered) * trim) if method == "trimmed" else 0
    kept = ordered[cut : len(ordered) - cut]
    return sum(kept) / len(kept)


def error(method, trim, centre, seed):
    return abs(estimate(method, trim, sample(centre, seed)) - centre)
