//! Every layer against finite differences of a slow oracle in double precision.
//!
//! The oracle is written from the formulas, index by index, and shares no code with the layers. Its
//! central differences are exact to about 1e-9, so the tolerance is that of `f32`.

mod oracle;

use lyceum_train::layers::{CausalAttention, CrossEntropy, Embedding, Gelu, LayerNorm, Linear};
use lyceum_train::parameters::{Initial, Layout};
use lyceum_train::random::Random;
use lyceum_train::transformer::{Config, Transformer};
use oracle::{doubles, normals};

const TOLERANCE: f64 = 2e-5;

/// Asserts that numbers agree relative to the largest of them.
fn close(name: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{name}");
    let scale = expected
        .iter()
        .fold(1e-3_f64, |most, value| most.max(value.abs()));
    for (index, (&found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(found) - expected).abs() / scale;
        assert!(
            error < TOLERANCE,
            "{name}[{index}]: {found} against {expected}, error {error:e}"
        );
    }
}

/// Returns the gradient of `function` at `point` by central differences.
fn differences(point: &[f32], function: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    let mut at = doubles(point);
    (0..at.len())
        .map(|index| {
            let middle = at[index];
            at[index] = middle + STEP;
            let above = function(&at);
            at[index] = middle - STEP;
            let below = function(&at);
            at[index] = middle;
            (above - below) / (2.0 * STEP)
        })
        .collect()
}

fn dot(a: &[f64], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * f64::from(*y)).sum()
}

#[test]
fn linear() {
    let (rows, inputs, outputs) = (5, 7, 3);
    let mut layout = Layout::default();
    let layer = Linear::new(&mut layout, "l", inputs, outputs, Initial::Normal(0.5));
    let parameters = normals(1, layout.len());
    let (input, slope) = (normals(2, rows * inputs), normals(3, rows * outputs));
    let forward =
        |p: &[f64], x: &[f64]| oracle::linear(x, &p[..inputs * outputs], &p[inputs * outputs..]);

    let mut output = vec![0.0; rows * outputs];
    layer.forward(&parameters, &input, &mut output);
    close(
        "output",
        &output,
        &forward(&doubles(&parameters), &doubles(&input)),
    );
    layer.forward_add(&parameters, &input, &mut output);
    let twice: Vec<f64> = forward(&doubles(&parameters), &doubles(&input))
        .iter()
        .map(|y| 2.0 * y)
        .collect();
    close("added output", &output, &twice);

    let (mut gradients, mut input_gradient) = (vec![0.0; layout.len()], vec![9.0; input.len()]);
    layer.backward(
        &parameters,
        &mut gradients,
        &input,
        &slope,
        &mut input_gradient,
    );
    let of_parameters = differences(&parameters, |p| dot(&forward(p, &doubles(&input)), &slope));
    close("parameters", &gradients, &of_parameters);
    let of_input = differences(&input, |x| dot(&forward(&doubles(&parameters), x), &slope));
    close("input", &input_gradient, &of_input);

    // A second pass adds to the parameters' gradients and overwrites the input's.
    layer.backward(
        &parameters,
        &mut gradients,
        &input,
        &slope,
        &mut input_gradient,
    );
    close(
        "added",
        &gradients,
        &of_parameters.iter().map(|g| 2.0 * g).collect::<Vec<_>>(),
    );
    close("overwritten", &input_gradient, &of_input);
}

#[test]
fn layer_norm() {
    for width in [1, 6, 70] {
        let rows = 4;
        let mut layout = Layout::default();
        let layer = LayerNorm::new(&mut layout, "n", width);
        let parameters = normals(1, layout.len());
        let (input, slope) = (normals(2, rows * width), normals(3, rows * width));
        let forward = |p: &[f64], x: &[f64]| oracle::layer_norm(x, &p[..width], &p[width..]);

        let (mut output, mut statistics) = (vec![0.0; rows * width], vec![0.0; 2 * rows]);
        layer.forward(&parameters, &input, &mut output, &mut statistics);
        close(
            "output",
            &output,
            &forward(&doubles(&parameters), &doubles(&input)),
        );

        let mut gradients = vec![0.0; layout.len()];
        let mut input_gradient = vec![0.0; input.len()];
        layer.backward_add(
            &parameters,
            &mut gradients,
            &input,
            &statistics,
            &slope,
            &mut input_gradient,
        );
        let of_parameters =
            differences(&parameters, |p| dot(&forward(p, &doubles(&input)), &slope));
        close("parameters", &gradients, &of_parameters);
        let of_input = differences(&input, |x| dot(&forward(&doubles(&parameters), x), &slope));
        close("input", &input_gradient, &of_input);
    }
}

#[test]
fn gelu() {
    let input: Vec<f32> = normals(1, 100).iter().map(|x| 3.0 * x).collect();
    let slope = normals(2, 100);
    let forward = |x: &[f64]| x.iter().map(|&x| oracle::gelu(x)).collect::<Vec<_>>();
    let mut output = vec![0.0; 100];
    Gelu.forward(&input, &mut output);
    close("output", &output, &forward(&doubles(&input)));
    let mut gradient = slope.clone();
    Gelu.backward(&input, &mut gradient);
    close(
        "input",
        &gradient,
        &differences(&input, |x| dot(&forward(x), &slope)),
    );
}

#[test]
fn attention() {
    for (sequences, length, width, heads) in [(2, 5, 6, 2), (1, 1, 4, 4), (1, 19, 8, 1)] {
        let rows = sequences * length;
        let layer = CausalAttention::new(width, heads);
        let (input, slope) = (normals(1, rows * 3 * width), normals(2, rows * width));
        let forward = |x: &[f64]| oracle::attention(x, length, width, heads);

        let mut weights = vec![0.0; layer.weights_len(rows, length)];
        let mut output = vec![0.0; rows * width];
        layer.forward(&input, length, &mut weights, &mut output);
        close("output", &output, &forward(&doubles(&input)));

        let mut gradient = vec![9.0; input.len()];
        let mut scratch = vec![0.0; length * length];
        layer.backward(
            &input,
            length,
            &weights,
            &slope,
            &mut gradient,
            &mut scratch,
        );
        close(
            "input",
            &gradient,
            &differences(&input, |x| dot(&forward(x), &slope)),
        );
    }
}

#[test]
fn embedding() {
    let (vocabulary, context, width, length) = (5, 4, 3, 2);
    let mut layout = Layout::default();
    let initial = Initial::Normal(1.0);
    let layer = Embedding::new(&mut layout, "e", vocabulary, context, width, initial);
    let parameters = normals(1, layout.len());
    let tokens = [0, 4, 4, 2, 4, 0];
    let slope = normals(2, tokens.len() * width);
    let forward = |p: &[f64]| {
        let (table, places) = p.split_at(vocabulary * width);
        oracle::embedding(table, places, &tokens, length, width)
    };
    let mut output = vec![0.0; tokens.len() * width];
    layer.forward(&parameters, &tokens, length, &mut output);
    close("output", &output, &forward(&doubles(&parameters)));
    let mut gradients = vec![0.0; layout.len()];
    layer.backward(&mut gradients, &tokens, length, &slope);
    close(
        "parameters",
        &gradients,
        &differences(&parameters, |p| dot(&forward(p), &slope)),
    );
}

#[test]
fn cross_entropy() {
    let (rows, width) = (6, 5);
    let logits: Vec<f32> = normals(1, rows * width).iter().map(|x| 4.0 * x).collect();
    let targets = [0, 4, 2, 2, 1, 3];
    let (mut gradient, mut losses) = (logits.clone(), vec![0.0; rows]);
    CrossEntropy.forward_backward(&mut gradient, &targets, 0.25, &mut losses);
    close(
        "losses",
        &losses,
        &oracle::cross_entropy(&doubles(&logits), &targets),
    );
    let total = |x: &[f64]| 0.25 * oracle::cross_entropy(x, &targets).iter().sum::<f64>();
    close("logits", &gradient, &differences(&logits, total));
}

#[test]
fn the_whole_network() {
    let config = Config {
        vocabulary: 5,
        context: 6,
        width: 8,
        depth: 2,
        heads: 2,
        init_scale: 1.0,
    };
    let model = Transformer::new(config.clone()).unwrap();
    let parameters = model.initialise(3);
    // Sequences shorter than the context leave the last position's row without a gradient.
    let length = 5;
    let mut random = Random::new(4);
    let mut draw = || -> Vec<u16> { (0..3 * length).map(|_| random.below(5) as u16).collect() };
    let (tokens, targets) = (draw(), draw());
    let loss = |p: &[f64]| oracle::network(&config, p, &tokens, &targets, length);

    let mut gradients = vec![9.0; parameters.len()];
    let mut workspace = model.workspace(3, length);
    let found = model.loss_and_gradients(
        &parameters,
        &tokens,
        &targets,
        &mut workspace,
        &mut gradients,
    );
    let expected = loss(&doubles(&parameters));
    assert!(
        (found - expected).abs() < 1e-6,
        "{found} against {expected}"
    );
    close("parameters", &gradients, &differences(&parameters, loss));
}
