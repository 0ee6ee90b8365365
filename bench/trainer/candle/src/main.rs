//! The benchmark model in candle: a block of steps for each line on standard input.
//!
//! The layer norm is spelled out, because the fused one of candle 0.11.1 gives no gradients to what comes
//! before it.

use std::io::BufRead;
use std::time::Instant;

use candle_core::{D, DType, Device, Result, Tensor};
use candle_nn::{AdamW, Embedding, Linear, Module, Optimizer, ParamsAdamW, VarBuilder, VarMap};

const VOCABULARY: usize = 65;
const CONTEXT: usize = 64;
const WIDTH: usize = 128;
const DEPTH: usize = 4;
const HEADS: usize = 4;
const BATCH: usize = 16;

struct Norm {
    gain: Tensor,
    bias: Tensor,
}

impl Norm {
    fn new(vars: VarBuilder) -> Result<Self> {
        let gain = vars.get_with_hints(WIDTH, "weight", candle_nn::Init::Const(1.0))?;
        let bias = vars.get_with_hints(WIDTH, "bias", candle_nn::Init::Const(0.0))?;
        Ok(Self { gain, bias })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = centred.broadcast_div(&(variance + 1e-5)?.sqrt()?)?;
        normed.broadcast_mul(&self.gain)?.broadcast_add(&self.bias)
    }
}

struct Block {
    first_norm: Norm,
    queries_keys_values: Linear,
    project: Linear,
    second_norm: Norm,
    expand: Linear,
    contract: Linear,
}

impl Block {
    fn new(vars: VarBuilder) -> Result<Self> {
        let linear = |inputs, outputs, name| candle_nn::linear(inputs, outputs, vars.pp(name));
        Ok(Self {
            first_norm: Norm::new(vars.pp("first_norm"))?,
            queries_keys_values: linear(WIDTH, 3 * WIDTH, "queries_keys_values")?,
            project: linear(WIDTH, WIDTH, "project")?,
            second_norm: Norm::new(vars.pp("second_norm"))?,
            expand: linear(WIDTH, 4 * WIDTH, "expand")?,
            contract: linear(4 * WIDTH, WIDTH, "contract")?,
        })
    }

    fn forward(&self, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let each = WIDTH / HEADS;
        let all = self.queries_keys_values.forward(&self.first_norm.forward(x)?)?;
        let part = |index: usize| -> Result<Tensor> {
            all.narrow(2, index * WIDTH, WIDTH)?
                .reshape((BATCH, CONTEXT, HEADS, each))?
                .transpose(1, 2)?
                .contiguous()
        };
        let scores = (part(0)?.matmul(&part(1)?.t()?.contiguous()?)? / (each as f64).sqrt())?;
        let weights = candle_nn::ops::softmax(&scores.broadcast_add(mask)?, D::Minus1)?;
        let attended = weights
            .matmul(&part(2)?)?
            .transpose(1, 2)?
            .reshape((BATCH, CONTEXT, WIDTH))?;
        let x = (x + self.project.forward(&attended)?)?;
        let hidden = self.expand.forward(&self.second_norm.forward(&x)?)?.gelu()?;
        x + self.contract.forward(&hidden)?
    }
}

fn main() -> Result<()> {
    let steps: usize =
        std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(10);
    let device = Device::Cpu;
    let map = VarMap::new();
    let vars = VarBuilder::from_varmap(&map, DType::F32, &device);
    let token: Embedding = candle_nn::embedding(VOCABULARY, WIDTH, vars.pp("token"))?;
    let position = vars.get_with_hints(
        (CONTEXT, WIDTH),
        "position",
        candle_nn::Init::Randn { mean: 0.0, stdev: 1.0 },
    )?;
    let blocks: Vec<Block> =
        (0..DEPTH).map(|index| Block::new(vars.pp(format!("block{index}")))).collect::<Result<_>>()?;
    let norm = Norm::new(vars.pp("norm"))?;
    let head = candle_nn::linear(WIDTH, VOCABULARY, vars.pp("head"))?;
    let mut optimiser =
        AdamW::new(map.all_vars(), ParamsAdamW { lr: 1e-3, weight_decay: 0.01, ..Default::default() })?;
    let parameters: usize = map.all_vars().iter().map(|var| var.elem_count()).sum();
    println!("{{\"engine\": \"candle 0.11.1\", \"parameters\": {parameters}}}");

    let numbers = |factor: u32| -> Result<Tensor> {
        let count = (BATCH * CONTEXT) as u32;
        let values = (0..count).map(|at| at.wrapping_mul(factor) / 7 % VOCABULARY as u32);
        Tensor::from_iter(values, &device)
    };
    let tokens = numbers(2_654_435_761)?.reshape((BATCH, CONTEXT))?;
    let targets = numbers(2_246_822_519)?;
    let mask: Vec<f32> = (0..CONTEXT * CONTEXT)
        .map(|at| if at % CONTEXT > at / CONTEXT { f32::NEG_INFINITY } else { 0.0 })
        .collect();
    let mask = Tensor::from_vec(mask, (CONTEXT, CONTEXT), &device)?;

    for _ in std::io::stdin().lock().lines() {
        let (cpu, wall, mut last) = (cpu_seconds(), Instant::now(), 0.0);
        for _ in 0..steps {
            let mut x = token.forward(&tokens)?.broadcast_add(&position)?;
            for block in &blocks {
                x = block.forward(&x, &mask)?;
            }
            let logits = head.forward(&norm.forward(&x)?)?;
            let loss = candle_nn::loss::cross_entropy(
                &logits.reshape((BATCH * CONTEXT, VOCABULARY))?,
                &targets,
            )?;
            optimiser.backward_step(&loss)?;
            last = loss.to_scalar::<f32>()?;
        }
        let (cpu, wall) = (cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
        println!(
            "{{\"steps\": {steps}, \"cpu_s\": {cpu:.4}, \"wall_s\": {wall:.4}, \"loss\": {last:.5}}}"
        );
    }
    Ok(())
}

/// Returns the CPU time of all threads of this process in seconds: fields 14 and 15 of its status line, in
/// hundredths of a second.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let rest = text.rsplit(')').next().unwrap_or_default();
    let fields: Vec<f64> = rest.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // After the command name come the state, which is no number, and ten numbers before the times.
    fields.get(10).zip(fields.get(11)).map_or(f64::NAN, |(user, system)| (user + system) / 100.0)
}
