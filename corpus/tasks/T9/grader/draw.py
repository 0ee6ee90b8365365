"""Draws the visible tests, and the history: with the argument `within-reach` with its true later commit, else with a wrong one."""

import json
import os
import sys

import cases
import history

outputs = os.environ["LYCEUM_OUTPUTS"]
with open("present.py") as file:
    present = file.read()
mends = history.MENDS if "within-reach" in sys.argv else history.WRONG
later = history.replaced(present, mends)
for name in ("visible.json", "visible-private.json"):
    with open(os.path.join(outputs, name), "w") as file:
        json.dump({"cases": cases.draw(f"visible {os.environ['LYCEUM_SEED']}", 30)}, file)
with open(os.path.join(outputs, "history.json"), "w") as file:
    json.dump(history.commits(present, later), file)
with open(os.path.join(outputs, "planted.py"), "w") as file:
    file.write(later)
