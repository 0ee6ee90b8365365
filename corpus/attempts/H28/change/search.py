"""The nearest city next, then two edges are exchanged while that helps."""

import math


def search(cities, seed):
    """Returns the places of the cities in the order of the tour."""
    cities[:] = [tuple(city) for city in cities]
    left = set(range(1, len(cities)))
    tour = [0]
    while left:
        here = cities[tour[-1]]
        tour.append(min(left, key=lambda place: math.dist(here, cities[place])))
        left.remove(tour[-1])
    return exchange(cities, tour)


def exchange(cities, tour):
    def away(one, other):
        return math.dist(cities[tour[one % len(tour)]], cities[tour[other % len(tour)]])

    better = True
    while better:
        better = False
        for low in range(1, len(tour) - 1):
            for high in range(low + 1, len(tour)):
                old = away(low - 1, low) + away(high, high + 1)
                new = away(low - 1, high) + away(low, high + 1)
                if new < old - 1e-12:
                    tour[low : high + 1] = tour[low : high + 1][::-1]
                    better = True
    return tour
