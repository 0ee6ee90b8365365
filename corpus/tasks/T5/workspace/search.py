"""Visits the cities in the order in which they are given."""


def search(cities, seed):
    """Returns the places of the cities in the order of the tour."""
    return list(range(len(cities)))
