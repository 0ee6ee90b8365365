"""The checks without those for NaN and for negative radii, which the example gained after two reports."""

import math


def fits(centers, radii):
    """Every check is a comparison that is true of what is wrong."""
    for (x, y), r in zip(centers, radii):
        if x - r < -1e-6 or x + r > 1 + 1e-6 or y - r < -1e-6 or y + r > 1 + 1e-6:
            return False
    for i in range(len(radii)):
        for j in range(i):
            if math.dist(centers[i], centers[j]) < radii[i] + radii[j] - 1e-6:
                return False
    return True


def score(centers, radii):
    """Returns the sum of the radii over the best sum that was published."""
    return sum(radii) / 2.635 if len(centers) == len(radii) == 26 and fits(centers, radii) else 0.0
