"""Draws the visible tests of this instance."""

import json
import os

import cases

drawn = cases.draw(f"visible {os.environ['LYCEUM_SEED']}", 30)
for name in ("visible.json", "visible-private.json"):
    with open(os.path.join(os.environ["LYCEUM_OUTPUTS"], name), "w") as file:
        json.dump({"cases": [case + [cases.answer(case)] for case in drawn]}, file)
