"""The visible tests, one for each case of /data/visible.json."""

import json
import unittest

import solution


class Cases(unittest.TestCase):
    pass


def add(number, name, arguments, expected):
    def test(self):
        self.assertEqual(getattr(solution, name)(*arguments), expected)

    setattr(Cases, f"test_{number:03}_{name}", test)


with open("/data/visible.json") as file:
    for number, (name, arguments, expected) in enumerate(json.load(file)["cases"]):
        add(number, name, arguments, expected)
