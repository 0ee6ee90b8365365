"""Usage: check.py BASELINE OUTPUT. Answers whether the candidate's numbers are the baseline's: exact types, bytes only."""

import json
import os
import sys

BYTES_MAX = 4 << 20


def read(path):
    with open(path, "rb") as file:
        return json.loads(file.read(BYTES_MAX))


def same(found, right):
    if type(found) is not type(right):
        return False
    if isinstance(right, list):
        return len(found) == len(right) and all(map(same, found, right))
    return found == right


try:
    agree = same(read(sys.argv[2]), read(sys.argv[1]))
except (ValueError, RecursionError):
    agree = False
os.write(3, json.dumps({"nonce": os.environ["LYCEUM_NONCE"], "metrics": {"agree": int(agree)}}).encode() + b"\n")
