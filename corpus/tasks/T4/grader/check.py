"""Usage: check.py OUTPUTS PRIVATE. Answers with the bits per character of the model on text that nobody else has."""

import json
import math
import os
import sys

ALPHABET = "abcdefghijklmnopqrstuvwxyz ."
ORDER_MAX = 6


def answer(**metrics):
    """Answers on descriptor 3 with the nonce."""
    text = json.dumps({"nonce": os.environ["LYCEUM_NONCE"], "metrics": metrics})
    os.write(3, text.encode() + b"\n")


def read(path):
    """Returns the bytes of a file, within a limit."""
    with open(path, "rb") as file:
        return file.read(4 << 20)


def refuse(why):
    sys.exit(f"model.json: {why}")


def no_constant(word):
    """A number that is none makes the measured one none too: the lab's word for that is a state."""
    answer(bits="nan")
    sys.exit(0)


def checked(share):
    """Refuses what is no distribution over the alphabet: exact types, no NaN, no infinity, nothing below zero."""
    if type(share) is not dict or set(share) != set(ALPHABET):
        refuse("a context does not give each character of the alphabet a probability")
    for value in share.values():
        if type(value) not in (int, float) or not math.isfinite(value) or not 0 < value <= 1:
            refuse("a probability is not a number above 0 and at most 1")
    if abs(sum(share.values()) - 1) > 1e-6:
        refuse("the probabilities of a context do not add up to 1")
    return share


try:
    model = json.loads(read(f"{sys.argv[1]}/model.json"), parse_constant=no_constant)
except (ValueError, RecursionError):
    refuse("not JSON")
if type(model) is not dict or type(model.get("order")) is not int or not 0 <= model["order"] <= ORDER_MAX:
    refuse("no order from 0 to 6")
contexts, order = model.get("contexts"), model["order"]
if type(contexts) is not dict:
    refuse("no contexts")
fallback = {c: 1 / len(ALPHABET) for c in ALPHABET}
seen, total = {}, 0.0
text = read(f"{sys.argv[2]}/heldout.txt").decode()
for place in range(order, len(text)):
    context = text[place - order : place]
    if context not in seen:
        seen[context] = checked(contexts[context]) if context in contexts else fallback
    total -= math.log2(seen[context][text[place]])
answer(bits=total / (len(text) - order))
