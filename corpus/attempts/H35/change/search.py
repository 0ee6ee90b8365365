"""Waits for a better idea."""

import time


def search(cities, seed):
    """Never returns."""
    time.sleep(600)
