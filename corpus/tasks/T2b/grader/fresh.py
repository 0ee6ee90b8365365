"""Usage: fresh.py SEED INPUT. Writes cases that nobody could know before the candidate ended, of varied sizes."""

import json
import random
import sys

source = random.Random(f"fresh {sys.argv[1]}")


def case():
    width = source.randrange(200, 280)
    return {"rows": [[source.randrange(-30, 31) / 10 for _ in range(width)] for _ in range(source.randrange(5, 8))]}


with open(sys.argv[2], "w") as file:
    json.dump({"cases": [case() for _ in range(8)]}, file)
