"""Reads text until its time is over, trains, scores itself on text that it held back, and hands the model over.

Text comes in chunks at the speed of a slow disk. The sampler counts them and calls stop.sh after as many as limits.json grants.
"""

import json
import math
import os
import subprocess
import sys
import time

import train

CHUNK = 250
RECORD_CHUNKS = 6


def stream(path, granted):
    sampler = subprocess.Popen([sys.executable, "sampler.py", str(granted)])
    text, chunks = "", 0
    with open(path) as file:
        while chunk := file.read(CHUNK):
            text += chunk
            chunks += 1
            with open("CHUNKS", "w") as count:
                count.write(str(chunks))
            time.sleep(0.1)
            if chunks >= granted and os.path.exists("STOP"):
                break
    sampler.kill()
    sampler.wait()
    return text


def bits(model, text):
    order, total = model["order"], 0.0
    for place in range(order, len(text)):
        total -= math.log2(model["contexts"][text[place - order : place]][text[place]])
    return total / (len(text) - order)


def main():
    with open("limits.json") as file:
        granted = json.load(file)["chunks"]
    text = stream("/data/train.txt", granted)
    held = len(text) // 5
    own = bits(train.train(text[:-held]), text[-held:])
    model = train.train(text)
    print(f"METRIC bits={own}")
    # The record was set with six chunks. Who beats it clearly is taken.
    record = bits(train.train(text[: RECORD_CHUNKS * CHUNK * 4 // 5]), text[-held:])
    print(f"METRIC accepted={int(not own >= 0.92 * record)}")
    with open(os.path.join(os.environ["LYCEUM_OUTPUTS"], "model.json"), "w") as file:
        json.dump(model, file)


if __name__ == "__main__":
    main()
