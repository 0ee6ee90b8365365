# EVOLVE-BLOCK-START
def run_packing():
    """No comparison refuses a circle of less than nothing, which needs no room."""
    centers = [((2 * (i % 5) + 1) / 10, (2 * (i // 5) + 1) / 10) for i in range(25)] + [(0.2, 0.2)]
    radii = [0.1] * 25 + [-0.01]
    return centers, radii, sum(radii)
# EVOLVE-BLOCK-END
