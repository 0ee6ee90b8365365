"""Draws the centre, the three seeds of the report, and the secret seeds on which the method is judged."""

import json
import os
import random

source = random.Random(f"question {os.environ['LYCEUM_SEED']}")
question = {"centre": source.uniform(-5, 5), "seeds": [source.randrange(1, 10**6) for _ in range(3)]}
secret = {"centre": question["centre"], "report": question["seeds"], "seeds": [source.getrandbits(60) for _ in range(200)]}
for name, value in (("question.json", question), ("secret.json", secret)):
    with open(os.path.join(os.environ["LYCEUM_OUTPUTS"], name), "w") as file:
        json.dump(value, file)
