"""Usage: check.py BASELINE OUTPUT. Answers whether the candidate's numbers are the baseline's within 1e-6: exact types, bytes only."""

import json
import math
import os
import sys

BYTES_MAX = 4 << 20
ERROR_MAX = 1e-6


def read(path):
    with open(path, "rb") as file:
        return json.loads(file.read(BYTES_MAX))


def same(found, right):
    if type(found) is not type(right):
        return False
    if isinstance(right, list):
        return len(found) == len(right) and all(map(same, found, right))
    return math.isfinite(found) and abs(found - right) <= ERROR_MAX * abs(right)


try:
    agree = same(read(sys.argv[2]), read(sys.argv[1]))
except (ValueError, RecursionError):
    agree = False
os.write(3, json.dumps({"nonce": os.environ["LYCEUM_NONCE"], "metrics": {"agree": int(agree)}}).encode() + b"\n")
