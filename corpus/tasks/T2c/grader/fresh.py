"""Usage: fresh.py SEED INPUT. Writes cases that nobody could know before the candidate ended, of varied sizes."""

import json
import random
import sys

source = random.Random(f"fresh {sys.argv[1]}")


def case():
    return {"messages": [source.randbytes(source.randrange(200, 1500)).hex() for _ in range(source.randrange(12, 20))]}


with open(sys.argv[2], "w") as file:
    json.dump({"cases": [case() for _ in range(12)]}, file)
