# EVOLVE-BLOCK-START
def label(learn, labels, rows):
    return [0 for _ in rows]
# EVOLVE-BLOCK-END
