"""Intervals, rotations and medians. Usage: solution.py INPUT OUTPUT, both JSON."""

from __future__ import annotations

import argparse
import json
from collections import deque
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Span:
    low: int
    high: int

    def touches(self, other: Span) -> bool:
        return other.low <= self.high

    def grown(self, other: Span) -> Span:
        return Span(self.low, max(self.high, other.high))


def merge(intervals):
    """Returns the union of closed intervals, sorted."""
    spans: list[Span] = []
    for span in sorted((Span(*one) for one in intervals), key=lambda one: (one.low, one.high)):
        if spans and spans[-1].touches(span):
            spans[-1] = spans[-1].grown(span)
        else:
            spans.append(span)
    return [[span.low, span.high] for span in spans]


def rotate(items, by):
    """Returns the items moved `by` places to the right."""
    ring = deque(items)
    ring.rotate(by)
    return list(ring)


def median(values):
    """Returns the median."""
    ordered = sorted(values)
    half, odd = divmod(len(ordered), 2)
    return ordered[half] if odd else (ordered[half - 1] + ordered[half]) / 2


FUNCTIONS = {function.__name__: function for function in (merge, rotate, median)}


def result(name, arguments):
    try:
        return FUNCTIONS[name](*arguments)
    except (TypeError, ValueError, IndexError) as error:
        return {"error": type(error).__name__}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    words = parser.parse_args()
    cases = json.loads(words.source.read_text())["cases"]
    words.target.write_text(json.dumps({"results": [result(*case) for case in cases]}))


if __name__ == "__main__":
    main()
