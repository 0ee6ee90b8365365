"""Cases and their right answers, written independently of the workspace."""

import random
import re

HIDDEN = 300

SIZES = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def show(seconds):
    left, text = abs(seconds), ""
    for unit, size in SIZES:
        if left >= size:
            text += f"{left // size}{unit}"
            left %= size
    return ("-" if seconds < 0 else "") + (text or "0s")


def parse(text):
    found = re.fullmatch(r"(-?)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text)
    total = sum(int(part or 0) * size for part, (_, size) in zip(found.groups()[1:], SIZES))
    return -total if found[1] else total


RIGHT = {"parse": parse, "show": show}


def answer(case):
    name, arguments = case[:2]
    return RIGHT[name](*arguments)


def draw(seed, count):
    """Returns `count` cases, in turn of the two functions, each with its right answer."""
    source = random.Random(seed)
    cases = []
    for number in range(count):
        seconds = source.choice((0, 1, 1, 1)) * source.randrange(1, 10 ** source.randrange(1, 7))
        seconds *= source.choice((1, -1))
        text = show(seconds)
        cases.append(["parse", [text], seconds] if number % 2 else ["show", [seconds], text])
    return cases
