//! The layers once more, in double precision, index by index, from their formulas.

use lyceum_train::random::Random;
use lyceum_train::transformer::Config;

/// Returns `count` normal numbers.
pub(crate) fn normals(seed: u64, count: usize) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.normal() as f32).collect()
}

/// Returns the same numbers in double precision.
pub(crate) fn doubles(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// `y = x Wᵀ + b`, `W` as outputs × inputs.
pub(crate) fn linear(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let outputs = bias.len();
    let inputs = weight.len() / outputs;
    let row = |x: &[f64]| -> Vec<f64> {
        (0..outputs)
            .map(|o| {
                bias[o]
                    + (0..inputs)
                        .map(|i| x[i] * weight[o * inputs + i])
                        .sum::<f64>()
            })
            .collect()
    };
    x.chunks(inputs).flat_map(row).collect()
}

/// Layer norm with the variance of the whole row and 1e-5 added to it.
pub(crate) fn layer_norm(x: &[f64], gain: &[f64], bias: &[f64]) -> Vec<f64> {
    let width = gain.len();
    let row = |x: &[f64]| -> Vec<f64> {
        let mean = x.iter().sum::<f64>() / width as f64;
        let variance = x.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / width as f64;
        (0..width)
            .map(|i| gain[i] * (x[i] - mean) / (variance + 1e-5).sqrt() + bias[i])
            .collect()
    };
    x.chunks(width).flat_map(row).collect()
}

/// The tanh form of the Gaussian error linear unit.
pub(crate) fn gelu(x: f64) -> f64 {
    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
    0.5 * x * (1.0 + inner.tanh())
}

/// Causal attention over rows of queries, keys and values.
pub(crate) fn attention(x: &[f64], length: usize, width: usize, heads: usize) -> Vec<f64> {
    let each = width / heads;
    let rows = x.len() / (3 * width);
    let mut output = vec![0.0; rows * width];
    for row in 0..rows {
        let first = row / length * length;
        for head in 0..heads {
            let at =
                |row: usize, part: usize, i: usize| x[(row * 3 + part) * width + head * each + i];
            let score = |other: usize| {
                (0..each)
                    .map(|i| at(row, 0, i) * at(other, 1, i))
                    .sum::<f64>()
                    / (each as f64).sqrt()
            };
            let total: f64 = (first..=row).map(|other| score(other).exp()).sum();
            for i in 0..each {
                output[row * width + head * each + i] = (first..=row)
                    .map(|other| score(other).exp() / total * at(other, 2, i))
                    .sum();
            }
        }
    }
    output
}

/// A row for each token plus one for its place.
pub(crate) fn embedding(
    table: &[f64],
    places: &[f64],
    tokens: &[u16],
    length: usize,
    width: usize,
) -> Vec<f64> {
    let value = |row: usize, i: usize| {
        table[usize::from(tokens[row]) * width + i] + places[row % length * width + i]
    };
    (0..tokens.len())
        .flat_map(|row| (0..width).map(move |i| value(row, i)))
        .collect()
}

/// The loss of each row in nats.
pub(crate) fn cross_entropy(logits: &[f64], targets: &[u16]) -> Vec<f64> {
    let width = logits.len() / targets.len();
    let row = |(row, &target): (&[f64], &u16)| {
        row.iter().map(|x| x.exp()).sum::<f64>().ln() - row[usize::from(target)]
    };
    logits.chunks(width).zip(targets).map(row).collect()
}

/// The mean loss of the whole network, its tensors in the order of the layout.
pub(crate) fn network(
    config: &Config,
    parameters: &[f64],
    tokens: &[u16],
    targets: &[u16],
    length: usize,
) -> f64 {
    let Config {
        vocabulary,
        context,
        width,
        depth,
        heads,
        ..
    } = *config;
    let mut rest = parameters;
    let mut take = |count: usize| {
        let (first, last) = rest.split_at(count);
        rest = last;
        first
    };
    let (table, places) = (take(vocabulary * width), take(context * width));
    let mut x = embedding(table, places, tokens, length, width);
    let add = |x: &mut Vec<f64>, y: Vec<f64>| x.iter_mut().zip(y).for_each(|(a, b)| *a += b);
    for _ in 0..depth {
        let h = layer_norm(&x, take(width), take(width));
        let h = linear(&h, take(3 * width * width), take(3 * width));
        let h = attention(&h, length, width, heads);
        add(&mut x, linear(&h, take(width * width), take(width)));
        let h = layer_norm(&x, take(width), take(width));
        let h = linear(&h, take(4 * width * width), take(4 * width));
        let h: Vec<f64> = h.into_iter().map(gelu).collect();
        add(&mut x, linear(&h, take(4 * width * width), take(width)));
    }
    let h = layer_norm(&x, take(width), take(width));
    let logits = linear(&h, take(vocabulary * width), take(vocabulary));
    cross_entropy(&logits, targets).iter().sum::<f64>() / targets.len() as f64
}
