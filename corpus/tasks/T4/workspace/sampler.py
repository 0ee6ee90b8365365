"""Watches the run: when it has read as many chunks as were granted, it calls stop.sh."""

import subprocess
import sys
import time


def chunks():
    try:
        with open("CHUNKS") as file:
            return int(file.read() or 0)
    except FileNotFoundError:
        return 0


while chunks() < int(sys.argv[1]):
    time.sleep(0.02)
subprocess.run(["sh", "stop.sh"])
