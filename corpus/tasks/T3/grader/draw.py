"""Draws three clouds of points with overlap; the labels that lie in the candidate's reach are wrong ones,
but with the argument `within-reach`, as a naive grader has it."""

import os
import random
import sys

source = random.Random(f"data {os.environ['LYCEUM_SEED']}")
outputs = os.environ["LYCEUM_OUTPUTS"]
centres = {name: [source.choice((-1, 1)) * source.uniform(0.8, 1.2) for _ in range(6)] for name in "abc"}
while any(sum(map(lambda x, y: x * y < 0, centres[p], centres[q])) < 2 for p, q in ("ab", "bc", "ac")):
    centres = {name: [source.choice((-1, 1)) * source.uniform(0.8, 1.2) for _ in range(6)] for name in "abc"}


def draw(count):
    for _ in range(count):
        label = source.choice("abc")
        yield [round(value + source.gauss(0, 1.0), 4) for value in centres[label]], label


def write(name, lines):
    with open(os.path.join(outputs, name), "w") as file:
        file.write("\n".join(lines) + "\n")


train, test = list(draw(150)), list(draw(150))
write("train.csv", [",".join(map(str, row)) + "," + label for row, label in train])
write("test.csv", [",".join(map(str, row)) for row, _ in test])
write("labels.csv", [label for _, label in test])
wrong = [source.choice([other for other in "abc" if other != label]) for _, label in test]
within_reach = [label for _, label in test] if "within-reach" in sys.argv else wrong
write("grader-labels.csv", within_reach)
write("decoy.csv", wrong)
