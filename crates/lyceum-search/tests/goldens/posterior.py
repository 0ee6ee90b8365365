"""Writes posterior.tsv: a Gaussian process posterior by scikit-learn, an oracle that shares no code with the crate.

usage: posterior.py > posterior.tsv        (needs scikit-learn)

Lines: `hyper` logarithms of 3 length scales, signal and noise variance; `train` 3 features, value, noise share;
`likelihood` the log marginal likelihood; `gradient` its gradient by the logarithms of the length scales and of the
signal variance; `latent` 3 features, mean, variance.
"""

import numpy as np
import sklearn
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

random = np.random.default_rng(20261122)
lengths, signal, noise = np.array([0.3, 0.9, 2.5]), 1.7, 0.02
train = random.random((25, 3))
train[7] = train[3]
values = np.sin(5 * train[:, 0]) + train[:, 1] ** 2 + 0.1 * random.standard_normal(25)
shares = random.choice([1.0, 0.5, 0.25], 25)
test = random.random((8, 3)) * 1.4 - 0.2

kernel = ConstantKernel(1.0) + ConstantKernel(signal) * Matern(length_scale=lengths, nu=2.5)
model = GaussianProcessRegressor(kernel, alpha=noise * shares + 1e-9 * signal, optimizer=None).fit(train, values)
likelihood, gradient = model.log_marginal_likelihood(kernel.theta, eval_gradient=True)
mean, deviation = model.predict(test, return_std=True)


def line(word, *numbers):
    print(word, *(repr(float(number)) for number in numbers), sep="\t")


print(f"# scikit-learn {sklearn.__version__}, numpy {np.__version__}")
line("hyper", *np.log(lengths), np.log(signal), np.log(noise))
for row, value, share in zip(train, values, shares):
    line("train", *row, value, share)
line("likelihood", likelihood)
line("gradient", *gradient[2:], gradient[1])
for row, m, s in zip(test, mean, deviation):
    line("latent", *row, m, s * s)
