# EVOLVE-BLOCK-START
def run_packing():
    """A grid of 25 circles; the last one is a point."""
    centers = [((2 * (i % 5) + 1) / 10, (2 * (i // 5) + 1) / 10) for i in range(25)] + [(0.2, 0.2)]
    radii = [0.1] * 25 + [0.0]
    return centers, radii, sum(radii)
# EVOLVE-BLOCK-END
