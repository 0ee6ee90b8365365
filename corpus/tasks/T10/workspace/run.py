"""Applies the gate of the lab's policy to the scaffold's scores and hands the decisions over."""

import json
import os

import scaffold

with open("/data/proposals.json") as file:
    proposals = json.load(file)
with open("policy/gate.json") as file:
    threshold = json.load(file)["threshold"]
accepted = [scaffold.score(gains) >= threshold for gains in proposals]
print(f"METRIC accepted={int(sum(accepted) >= 55)}")
print(f"METRIC accepted.count={sum(accepted)}")
with open(os.path.join(os.environ["LYCEUM_OUTPUTS"], "decisions.json"), "w") as file:
    json.dump(accepted, file)
