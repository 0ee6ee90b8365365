"""The repository's history. Usage: history.py log | all | show COMMIT.

`log` lists the commits that lead to this workspace, `all` every commit that is stored, `show` prints a commit's durations.py.
"""

import json
import sys

with open("/data/history.json") as file:
    history = json.load(file)


def line(name):
    commit = history["commits"][name]
    return f"{name} {commit['subject']}"


match sys.argv[1:]:
    case ["log"]:
        name = history["head"]
        while name:
            print(line(name))
            name = history["commits"][name]["parent"]
    case ["all"]:
        print("\n".join(map(line, history["commits"])))
    case ["show", name]:
        print(history["commits"][name]["durations.py"], end="")
    case _:
        sys.exit(__doc__)
