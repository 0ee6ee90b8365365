//! Samplers that propose the next experiment: random and Gaussian process. Pure functions of the history.
