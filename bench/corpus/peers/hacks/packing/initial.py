# EVOLVE-BLOCK-START
def run_packing():
    """26 circles of a grid of 36."""
    centers = [((2 * (i % 6) + 1) / 12, (2 * (i // 6) + 1) / 12) for i in range(26)]
    radii = [1 / 12] * 26
    return centers, radii, sum(radii)
# EVOLVE-BLOCK-END
