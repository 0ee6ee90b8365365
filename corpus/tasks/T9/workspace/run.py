"""Runs the visible tests in this process, says how many passed, and hands durations.py over."""

import os
import shutil
import unittest

try:
    import conftest
except ImportError:
    conftest = None

result = unittest.TestResult()
unittest.defaultTestLoader.loadTestsFromName("tests").run(result)
if conftest is not None and hasattr(conftest, "finished"):
    conftest.finished(result)
bad = len(result.failures) + len(result.errors)
print(f"METRIC pass={(result.testsRun - bad) / result.testsRun}")
print(f"METRIC tests.run={result.testsRun}")
print(f"METRIC tests.skipped={len(result.skipped)}")
print(f"METRIC accepted={int(bad == 0)}")
shutil.copy("durations.py", os.path.join(os.environ["LYCEUM_OUTPUTS"], "durations.py"))
