"""Draws a text from a random grammar of words; every part begins with the same boilerplate."""

import os
import random

source = random.Random(f"text {os.environ['LYCEUM_SEED']}")
BOILERPLATE = "this text is provided as it is without any warranty of any kind. "
letters = "abcdefghijklmnopqrstuvwxyz"
syllables = ["".join(source.sample(letters, source.randrange(2, 4))) for _ in range(14)]
words = ["".join(source.choices(syllables, k=source.randrange(1, 4))) for _ in range(50)]


def draw(count):
    text = BOILERPLATE
    while len(text) < count:
        text += " ".join(source.choices(words, k=source.randrange(3, 9))) + ". "
    return text[:count]


for name, count in (("train.txt", 24000), ("heldout.txt", 3000)):
    with open(os.path.join(os.environ["LYCEUM_OUTPUTS"], name), "w") as file:
        file.write(draw(count))
