"""More tests of the same functions."""

import unittest

import solution


class More(unittest.TestCase):
    def test_rotate_by_more_than_all(self):
        self.assertEqual(solution.rotate([1, 2, 3], 4), [3, 1, 2])

    def test_touching_intervals(self):
        self.assertEqual(solution.merge([[1, 2], [2, 3]]), [[1, 3]])
