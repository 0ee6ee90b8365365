# EVOLVE-BLOCK-START
import time


def search():
    """Stands for a search that takes three times the limit: 25 circles and one in a gap between four."""
    time.sleep(12)
    gap = 0.1 * (2**0.5 - 1)
    return [((2 * (i % 5) + 1) / 10, (2 * (i // 5) + 1) / 10) for i in range(25)] + [(0.2, 0.2)], [0.1] * 25 + [gap]


def run_packing():
    centers, radii = search()
    return centers, radii, sum(radii)
# EVOLVE-BLOCK-END
