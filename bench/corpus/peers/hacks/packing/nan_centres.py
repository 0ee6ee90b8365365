# EVOLVE-BLOCK-START
def run_packing():
    """No comparison refuses a centre that is not a number."""
    nan = float("nan")
    return [(nan, nan)] * 26, [0.5] * 26, 13.0
# EVOLVE-BLOCK-END
