"""Writes goldens.csv: intervals by SciPy, e-values by exact rational arithmetic.

python -m venv venv && venv/bin/pip install scipy==1.17.1 && venv/bin/python goldens.py > goldens.csv
"""

from fractions import Fraction
from math import comb

from scipy import stats

LEVELS = [0.5, 0.8, 0.9, 0.95, 0.99, 0.9999]


def e_value(wins, pairs):
    """Integrates (1 + x)^k (1 - x)^(n - k) over 0..1 term by term, expanded as a polynomial."""
    coefficients = [0] * (pairs + 1)
    for i in range(wins + 1):
        for j in range(pairs - wins + 1):
            coefficients[i + j] += comb(wins, i) * comb(pairs - wins, j) * (-1) ** j
    return sum(Fraction(c, power + 1) for power, c in enumerate(coefficients))


print("what,a,b,level,low,high")
for degrees in [1, 2, 3, 4, 6, 9, 19, 99, 999]:
    for level in LEVELS:
        print(f"t,{degrees},0,{level},0,{float(stats.t.isf((1 - level) / 2, degrees))!r}")
for trials in [1, 2, 5, 7, 20, 44, 308, 4000]:
    for successes in sorted({0, 1, trials // 3, trials // 2, trials - 1, trials}):
        for level in LEVELS:
            # `binomtest(...).proportion_ci` finds roots to 2e-12 only; the beta quantiles are exact to rounding.
            tail = (1 - level) / 2
            low = stats.beta.ppf(tail, successes, trials - successes + 1) if successes else 0.0
            high = stats.beta.isf(tail, successes + 1, trials - successes) if successes < trials else 1.0
            print(f"clopper-pearson,{successes},{trials},{level},{float(low)!r},{float(high)!r}")
for values in range(2, 31):
    print(f"chi-square,{values},0,0.05,0,{float(stats.chi2.ppf(0.05, values - 1))!r}")
for pairs in list(range(31)) + [60, 150]:
    for wins in range(0, pairs + 1, 1 if pairs < 31 else 7):
        print(f"e-value,{wins},{pairs},0,0,{float(e_value(wins, pairs))!r}")
