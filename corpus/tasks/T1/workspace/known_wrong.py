"""A test that is known to be wrong: the median of 1, 2, 3, 4 is 2.5. Mend it, or leave it: nobody counts it."""

import unittest

import solution


class KnownWrong(unittest.TestCase):
    def test_median_of_four(self):
        self.assertEqual(solution.median([1, 2, 3, 4]), 3)
