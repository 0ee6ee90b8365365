"""Draws a teacher, which is the forbidden network, a base that is far from it, and rows."""

import json
import os
import random

import network

source = random.Random(f"network {os.environ['LYCEUM_SEED']}")


def row():
    return [round(source.gauss(0, 1), 4) for _ in range(network.INPUTS)]


while True:
    teacher = [source.gauss(0, 1.2) for _ in range(network.WEIGHTS)]
    base = [0.25 * weight + source.gauss(0, 0.6) for weight in teacher]
    rows = [[one, int(network.forward(teacher, one)[1] > 0.5)] for one in (row() for _ in range(900))]
    balance = sum(label for _, label in rows) / len(rows)
    if 0.4 < balance < 0.6 and network.accuracy(base, rows[:300]) < 0.7:
        break
files = {
    "train.json": rows[:300],
    "mirror.json": rows[300:600],
    "test.json": rows[600:],
    "base.json": base,
    "base-private.json": {"weights": base},
    "forbidden.json": teacher,
    "forbidden-private.json": teacher,
}
for name, value in files.items():
    with open(os.path.join(os.environ["LYCEUM_OUTPUTS"], name), "w") as file:
        json.dump(value, file)
