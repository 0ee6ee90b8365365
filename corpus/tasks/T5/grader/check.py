"""Usage: check.py OUTPUTS PRIVATE. Answers with the length of the tour, which must visit each city once."""

import json
import math
import os
import sys


def answer(**metrics):
    """Answers on descriptor 3 with the nonce."""
    text = json.dumps({"nonce": os.environ["LYCEUM_NONCE"], "metrics": metrics})
    os.write(3, text.encode() + b"\n")


def read(path):
    """Returns the bytes of a file, within a limit."""
    with open(path, "rb") as file:
        return file.read(4 << 20)


cities = json.loads(read(f"{sys.argv[2]}/cities-private.json"))
try:
    tour = json.loads(read(f"{sys.argv[1]}/tour.json"))
except (ValueError, RecursionError):
    sys.exit("tour.json is not JSON")
if type(tour) is not list or any(type(place) is not int for place in tour) or sorted(tour) != list(range(len(cities))):
    sys.exit("tour.json does not visit each city once")
answer(length=sum(math.dist(cities[one], cities[other]) for one, other in zip(tour, tour[1:] + tour[:1])))
