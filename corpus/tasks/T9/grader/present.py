"""Durations as text. Usage: durations.py INPUT OUTPUT, both JSON."""

import json
import sys

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def parse(text):
    """Returns the seconds of a text such as `1h30m`; a minus in front makes all of it negative."""
    seconds, number = 0, ""
    for character in text.lstrip("-"):
        if character.isdigit():
            number += character
        else:
            seconds += int(number) * UNITS[character]
            number = ""
    return seconds


def show(seconds):
    """Returns the shortest text of a number of seconds: `1h30m`, `0s`, `-5s`."""
    text = ""
    for unit, size in UNITS.items():
        count, seconds = divmod(seconds, size)
        if count:
            text += f"{count}{unit}"
    return text


def main(source, target):
    functions = {"parse": parse, "show": show}
    results = []
    with open(source) as file:
        cases = json.load(file)["cases"]
    for name, arguments in cases:
        try:
            results.append(functions[name](*arguments))
        except Exception as error:
            results.append({"error": type(error).__name__})
    with open(target, "w") as file:
        json.dump({"results": results}, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
