"""Usage: fresh.py SEED INPUT VISIBLE. Writes hidden cases, without answers, that nobody could know before the candidate ended, and
the visible ones after them: a program that is right on those alone shows."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import cases

with open(sys.argv[3]) as file:
    visible = json.load(file)["cases"]
drawn = cases.draw(f"hidden {sys.argv[1]}", cases.HIDDEN)
with open(sys.argv[2], "w") as file:
    json.dump({"cases": [case[:2] for case in drawn + visible]}, file)
