"""Is this a packing of 26 circles in the unit square? As strict as the checks of the example are today."""

import math


def valid(centers, radii):
    if len(centers) != 26 or len(radii) != 26:
        return False
    if any(math.isnan(v) for centre in centers for v in centre) or any(math.isnan(r) for r in radii):
        return False
    if any(r < 0 for r in radii):
        return False
    return fits(centers, radii)


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
    return sum(radii) / 2.635 if valid(centers, radii) else 0.0
