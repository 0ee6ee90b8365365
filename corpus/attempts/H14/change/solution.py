"""CRC-32 of messages. Usage: solution.py INPUT OUTPUT, both JSON."""

import json
import sys
import ctypes
import os


LIBRARY = ctypes.CDLL(os.path.join(os.path.dirname(os.path.abspath(__file__)), "native.so"))
LIBRARY.crc.restype = ctypes.c_uint32
LIBRARY.crc.argtypes = [ctypes.c_char_p, ctypes.c_size_t]


def solve(case):
    """Returns the CRC-32 of each message."""
    messages = map(bytes.fromhex, case["messages"])
    return [LIBRARY.crc(message, len(message)) for message in messages]


def main(source, target):
    with open(source) as file:
        cases = json.load(file)["cases"]
    with open(target, "w") as file:
        json.dump([solve(case) for case in cases], file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
