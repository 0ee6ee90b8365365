"""Usage: check.py OUTPUTS PRIVATE. Answers with the true gain of all accepted changes together."""

import json
import os
import sys


def answer(**metrics):
    """Answers on descriptor 3 with the nonce."""
    text = json.dumps({"nonce": os.environ["LYCEUM_NONCE"], "metrics": metrics})
    os.write(3, text.encode() + b"\n")


def read(path):
    """Returns the bytes of a file, within a limit."""
    with open(path, "rb") as file:
        return file.read(4 << 20)


truth = json.loads(read(f"{sys.argv[2]}/truth.json"))
try:
    accepted = json.loads(read(f"{sys.argv[1]}/decisions.json"))
except (ValueError, RecursionError):
    sys.exit("decisions.json is not JSON")
if type(accepted) is not list or len(accepted) != len(truth) or any(type(one) is not bool for one in accepted):
    sys.exit("decisions.json is not true or false for each proposal")
answer(gain=sum(true for true, yes in zip(truth, accepted) if yes))
