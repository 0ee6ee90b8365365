"""Searches a tour, measures it, and hands it over."""

import json
import math
import os

import search

with open("/data/cities.json") as file:
    cities = json.load(file)
tour = search.search([tuple(city) for city in cities], int(os.environ["LYCEUM_SEED"]))
length = sum(math.dist(cities[one], cities[other]) for one, other in zip(tour, tour[1:] + tour[:1]))
print(f"METRIC length={length}")
print(f"METRIC accepted={int(length < 8)}")
with open(os.path.join(os.environ["LYCEUM_OUTPUTS"], "tour.json"), "w") as file:
    json.dump(tour, file)
