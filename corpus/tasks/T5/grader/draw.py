"""Draws cities in the unit square."""

import json
import os
import random

source = random.Random(f"cities {os.environ['LYCEUM_SEED']}")
cities = [[source.random(), source.random()] for _ in range(45)]
for name in ("cities.json", "cities-private.json"):
    with open(os.path.join(os.environ["LYCEUM_OUTPUTS"], name), "w") as file:
        json.dump(cities, file)
