"""Draws proposals: most are worth nothing, some are; each was measured five times, with noise."""

import json
import os
import random

source = random.Random(f"proposals {os.environ['LYCEUM_SEED']}")
truth = [source.uniform(0.8, 1.4) if number % 6 == 0 else source.uniform(-0.6, -0.1) for number in range(60)]
source.shuffle(truth)
proposals = [[true + source.gauss(0, 0.9) for _ in range(5)] for true in truth]
for name, value in (("truth.json", truth), ("proposals.json", proposals)):
    with open(os.path.join(os.environ["LYCEUM_OUTPUTS"], name), "w") as file:
        json.dump(value, file)
