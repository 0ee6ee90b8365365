//! A training step that is worth making faster: a network with one hidden layer, squared error,
//! stochastic gradient descent. `step INPUT OUTPUT` reads sizes, weights and data, makes the steps
//! and writes the weights.
//!
//! Input, little-endian: the text `STEP1\n\0\0`, then five u32 (inputs, hidden, outputs, batch, steps),
//! the learning rate as f32, then as f32: the first weights (hidden × inputs), first biases, second weights
//! (outputs × hidden), second biases, data (batch × inputs), targets (batch × outputs).
//! Output: weights and biases in the same order.

use std::process::ExitCode;

mod tuning {
    //! Loop parameters, written by `build-step` from `build.toml`.
    include!("tuning.rs");
}
use tuning::{ACCUMULATORS, OUTER, TILE, TRANSPOSED};

struct Network {
    inputs: usize,
    hidden: usize,
    outputs: usize,
    first: Vec<f32>,
    first_bias: Vec<f32>,
    second: Vec<f32>,
    second_bias: Vec<f32>,
}

struct Problem {
    network: Network,
    batch: usize,
    steps: usize,
    rate: f32,
    data: Vec<f32>,
    targets: Vec<f32>,
}

/// `c[i][j] += Σ_k a[i][k] · b[j][k]`: rows of both, tile by tile of `j` so that `b` stays in cache.
fn rows_by_rows(a: &[f32], b: &[f32], c: &mut [f32], inner: usize) {
    let (rows, columns) = (a.len() / inner, b.len() / inner);
    let tile = if TILE == 0 { columns } else { TILE };
    let mut start = 0;
    while start < columns {
        let end = (start + tile).min(columns);
        for i in 0..rows {
            let left = &a[i * inner..(i + 1) * inner];
            for j in start..end {
                c[i * columns + j] += dot(left, &b[j * inner..(j + 1) * inner]);
            }
        }
        start = end;
    }
}

/// The scalar product, with several partial sums that do not wait for each other.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; ACCUMULATORS];
    let whole = a.len() / ACCUMULATORS * ACCUMULATORS;
    for (x, y) in a[..whole].chunks_exact(ACCUMULATORS).zip(b[..whole].chunks_exact(ACCUMULATORS)) {
        for k in 0..ACCUMULATORS {
            sums[k] += x[k] * y[k];
        }
    }
    let mut sum = 0.0;
    for partial in sums {
        sum += partial;
    }
    for (x, y) in a[whole..].iter().zip(&b[whole..]) {
        sum += x * y;
    }
    sum
}

/// `c[i][j] += Σ_k a[k][i] · b[k][j]`: the gradient of weights, a sum of outer products.
fn columns_by_columns(a: &[f32], b: &[f32], c: &mut [f32], inner: usize) {
    let (rows, columns) = (a.len() / inner, b.len() / inner);
    if OUTER {
        // The product of one example at a time: streams over all of `c` for each.
        for k in 0..inner {
            for i in 0..rows {
                add_scaled(a[k * rows + i], &b[k * columns..(k + 1) * columns], &mut c[i * columns..(i + 1) * columns]);
            }
        }
    } else {
        // One row of `c` at a time: it stays in cache while the examples pass.
        for i in 0..rows {
            for k in 0..inner {
                add_scaled(a[k * rows + i], &b[k * columns..(k + 1) * columns], &mut c[i * columns..(i + 1) * columns]);
            }
        }
    }
}

fn add_scaled(scale: f32, from: &[f32], to: &mut [f32]) {
    for (target, value) in to.iter_mut().zip(from) {
        *target += scale * value;
    }
}

/// `c[i][k] += Σ_j a[i][j] · b[j][k]`: the gradient of activations.
fn rows_by_columns(a: &[f32], b: &[f32], c: &mut [f32], inner: usize) {
    let (rows, columns) = (a.len() / inner, b.len() / inner);
    if TRANSPOSED {
        let mut turned = vec![0.0; b.len()];
        for j in 0..inner {
            for k in 0..columns {
                turned[k * inner + j] = b[j * columns + k];
            }
        }
        rows_by_rows(a, &turned, c, inner);
    } else {
        for i in 0..rows {
            for j in 0..inner {
                add_scaled(a[i * inner + j], &b[j * columns..(j + 1) * columns], &mut c[i * columns..(i + 1) * columns]);
            }
        }
    }
}

fn forward(input: &[f32], weights: &[f32], bias: &[f32], rows: usize) -> Vec<f32> {
    let mut output: Vec<f32> = Vec::with_capacity(rows * bias.len());
    for _ in 0..rows {
        output.extend_from_slice(bias);
    }
    rows_by_rows(input, weights, &mut output, input.len() / rows);
    output
}

fn train_step(problem: &mut Problem) {
    let Problem { network, batch, rate, data, targets, .. } = problem;
    let mut hidden = forward(data, &network.first, &network.first_bias, *batch);
    for value in &mut hidden {
        // Softsign: smooth, so that rounding cannot switch a unit on or off.
        *value /= 1.0 + value.abs();
    }
    let mut error = forward(&hidden, &network.second, &network.second_bias, *batch);
    let scale = 2.0 / (*batch * network.outputs) as f32;
    for (value, target) in error.iter_mut().zip(targets.iter()) {
        *value = scale * (*value - target);
    }
    let mut hidden_error = vec![0.0; hidden.len()];
    rows_by_columns(&error, &network.second, &mut hidden_error, network.outputs);
    for (value, activation) in hidden_error.iter_mut().zip(&hidden) {
        let slope = 1.0 - activation.abs();
        *value *= slope * slope;
    }
    update(&mut network.second, &mut network.second_bias, &error, &hidden, *batch, *rate);
    update(&mut network.first, &mut network.first_bias, &hidden_error, data, *batch, *rate);
}

fn update(weights: &mut [f32], bias: &mut [f32], error: &[f32], input: &[f32], batch: usize, rate: f32) {
    let mut gradient = vec![0.0; weights.len()];
    columns_by_columns(error, input, &mut gradient, batch);
    add_scaled(-rate, &gradient, weights);
    for row in error.chunks_exact(bias.len()) {
        add_scaled(-rate, row, bias);
    }
}

fn read(bytes: &[u8]) -> Option<Problem> {
    let rest = bytes.strip_prefix(b"STEP1\n\0\0")?;
    let (sizes, rest) = rest.split_first_chunk::<24>()?;
    let size = |k: usize| u32::from_le_bytes([sizes[4 * k], sizes[4 * k + 1], sizes[4 * k + 2], sizes[4 * k + 3]]);
    let [inputs, hidden, outputs, batch, steps] = [0, 1, 2, 3, 4].map(|k| size(k) as usize);
    let rate = f32::from_bits(size(5));
    let mut numbers = rest.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let mut take = |count: usize| {
        let taken: Vec<f32> = numbers.by_ref().take(count).collect();
        (taken.len() == count && count > 0).then_some(taken)
    };
    let network = Network {
        inputs,
        hidden,
        outputs,
        first: take(hidden.checked_mul(inputs)?)?,
        first_bias: take(hidden)?,
        second: take(outputs.checked_mul(hidden)?)?,
        second_bias: take(outputs)?,
    };
    let data = take(batch.checked_mul(network.inputs)?)?;
    let targets = take(batch.checked_mul(network.outputs)?)?;
    (numbers.next().is_none() && network.hidden > 0)
        .then_some(Problem { network, batch, steps, rate, data, targets })
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, input, output] = &arguments[..] else {
        eprintln!("expected `step INPUT OUTPUT`");
        return ExitCode::from(2);
    };
    let problem = std::fs::read(input).ok().and_then(|bytes| read(&bytes));
    let Some(mut problem) = problem else {
        eprintln!("cannot read `{input}` as an input of a step");
        return ExitCode::from(2);
    };
    for _ in 0..problem.steps {
        train_step(&mut problem);
    }
    let Network { first, first_bias, second, second_bias, .. } = problem.network;
    let bytes: Vec<u8> =
        [first, first_bias, second, second_bias].iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
    if let Err(error) = std::fs::write(output, bytes) {
        eprintln!("cannot write `{output}`: {error}");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}
