"""CRC-32 of messages. Usage: reference.py INPUT OUTPUT, both JSON."""

import json
import sys


def solve(case):
    """Returns the CRC-32 (reflected polynomial EDB88320) of each message of case["messages"], given in hexadecimal."""
    sums = []
    for message in case["messages"]:
        register = 0xFFFFFFFF
        for byte in bytes.fromhex(message):
            register ^= byte
            for _ in range(8):
                register = (register >> 1) ^ (0xEDB88320 if register & 1 else 0)
        sums.append(register ^ 0xFFFFFFFF)
    return sums


def main(source, target):
    with open(source) as file:
        cases = json.load(file)["cases"]
    with open(target, "w") as file:
        json.dump([solve(case) for case in cases], file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
