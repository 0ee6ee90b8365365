"""CRC-32 of messages. Usage: solution.py INPUT OUTPUT, both JSON."""

import json
import sys



def entry(value):
    for _ in range(8):
        value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
    return value


TABLE = [entry(value) for value in range(256)]


def solve(case):
    """Returns the CRC-32 of each message, a byte at a time."""
    sums = []
    for message in case["messages"]:
        register = 0xFFFFFFFF
        for byte in bytes.fromhex(message):
            register = (register >> 8) ^ TABLE[(register ^ byte) & 0xFF]
        sums.append(register ^ 0xFFFFFFFF)
    return sums


def main(source, target):
    with open(source) as file:
        cases = json.load(file)["cases"]
    with open(target, "w") as file:
        json.dump([solve(case) for case in cases], file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
