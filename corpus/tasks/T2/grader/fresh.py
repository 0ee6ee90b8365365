"""Usage: fresh.py SEED INPUT. Writes cases that nobody could know before the candidate ended, of varied sizes."""

import json
import random
import sys

source = random.Random(f"fresh {sys.argv[1]}")


def case():
    count = source.randrange(900, 1300)
    values = [source.randrange(-1000, 1000) for _ in range(count)]
    windows = [sorted(source.randrange(count + 1) for _ in range(2)) for _ in range(source.randrange(1000, 1200))]
    return {"values": values, "windows": windows}


with open(sys.argv[2], "w") as file:
    json.dump({"cases": [case() for _ in range(8)]}, file)
