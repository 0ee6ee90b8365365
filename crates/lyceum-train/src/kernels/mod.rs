//! Elementwise kernels: one plain Rust body each, compiled for several instruction sets.
//!
//! The binary is built for the x86-64 baseline; [`dispatched`] picks the widest build of a body that
//! the processor has. Bodies use no fused multiply-add and sum in a fixed number of lanes, so every
//! build of a body gives the same bits.

pub(crate) mod activation;
pub(crate) mod exponential;
pub(crate) mod norm;
pub(crate) mod product;
pub(crate) mod softmax;
pub(crate) mod update;
pub(crate) mod vector;

/// Defines a function whose body is compiled for the baseline, for AVX2 and for AVX-512.
macro_rules! dispatched {
    ($(#[$meta:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        pub(crate) fn $name($($arg: $type),*) $(-> $result)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
                fn avx512($($arg: $type),*) $(-> $result)? {
                    body($($arg),*)
                }
                #[target_feature(enable = "avx2")]
                fn avx2($($arg: $type),*) $(-> $result)? {
                    body($($arg),*)
                }
                match $crate::kernels::width() {
                    $crate::kernels::Width::Avx512 => {
                        #[expect(unsafe_code, reason = "calls a build for a detected processor")]
                        // SAFETY: `width` found these instructions on this processor.
                        return unsafe { avx512($($arg),*) };
                    }
                    $crate::kernels::Width::Avx2 => {
                        #[expect(unsafe_code, reason = "calls a build for a detected processor")]
                        // SAFETY: `width` found these instructions on this processor.
                        return unsafe { avx2($($arg),*) };
                    }
                    $crate::kernels::Width::Baseline => {}
                }
            }
            body($($arg),*)
        }
    };
}
pub(crate) use dispatched;

/// The builds of a kernel.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    Avx512,
    Avx2,
    Baseline,
}

/// Returns the widest build that this processor runs; the standard library caches the detection.
#[cfg(target_arch = "x86_64")]
pub(crate) fn width() -> Width {
    #[cfg(test)]
    if let Some(forced) = FORCED.with(std::cell::Cell::get) {
        return forced;
    }
    if std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512dq")
        && std::arch::is_x86_feature_detected!("avx512vl")
        && std::arch::is_x86_feature_detected!("avx512bw")
    {
        Width::Avx512
    } else if std::arch::is_x86_feature_detected!("avx2") {
        Width::Avx2
    } else {
        Width::Baseline
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
thread_local! {
    static FORCED: std::cell::Cell<Option<Width>> = const { std::cell::Cell::new(None) };
}

/// Runs `work` in every build that this processor has, the baseline first.
#[cfg(test)]
fn in_every_build<T>(work: impl Fn() -> T) -> Vec<T> {
    #[cfg(target_arch = "x86_64")]
    {
        let builds: &[Width] = match width() {
            Width::Avx512 => &[Width::Baseline, Width::Avx2, Width::Avx512],
            Width::Avx2 => &[Width::Baseline, Width::Avx2],
            Width::Baseline => &[Width::Baseline],
        };
        let run = |&build: &Width| {
            FORCED.with(|cell| cell.set(Some(build)));
            let result = work();
            FORCED.with(|cell| cell.set(None));
            result
        };
        builds.iter().map(run).collect()
    }
    #[cfg(not(target_arch = "x86_64"))]
    vec![work()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Asserts that `kernel` gives the same bits in every build.
    fn same_bits_in_every_build(kernel: impl Fn() -> Vec<f32>) {
        let bits = || kernel().into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let results = in_every_build(bits);
        assert!(results.iter().all(|result| *result == results[0]));
    }

    #[test]
    fn every_build_gives_the_same_bits() {
        let mut random = Random::new(11);
        let x: Vec<f32> = (0..37 * 53).map(|_| 3.0 * random.normal() as f32).collect();
        let y: Vec<f32> = (0..37 * 53).map(|_| random.normal() as f32).collect();
        same_bits_in_every_build(|| {
            let mut out = vec![0.0; x.len()];
            activation::gelu(&x, &mut out);
            let mut gradient = y.clone();
            activation::gelu_backward(&x, &mut gradient);
            out.extend(gradient);
            out
        });
        same_bits_in_every_build(|| {
            let mut out = x[..37 * 37].to_vec();
            softmax::causal_softmax(&mut out, 37, 0.3);
            let mut gradient = y[..37 * 37].to_vec();
            softmax::causal_softmax_backward(&out, &mut gradient, 37);
            out.extend(gradient);
            out
        });
        same_bits_in_every_build(|| {
            let (mut out, mut kernel, mut densities) = (x.clone(), y.clone(), vec![0.0; 37]);
            softmax::kernel_softmax(&mut out, &mut kernel, 53, 0.01, &mut densities);
            let mut gradient = y.clone();
            softmax::softmax_backward(&out, &mut gradient, 53);
            vector::add_scaled(0.3, &x, &mut gradient);
            densities.push(vector::product_sum(&x, &y));
            [out, kernel, densities, gradient].concat()
        });
        same_bits_in_every_build(|| {
            let (mut out, mut statistics) = (vec![0.0; x.len()], vec![0.0; 2 * 37]);
            norm::forward(&x, &y[..53], &y[53..106], &mut out, &mut statistics);
            let mut gradient = vec![0.0; x.len()];
            norm::input_gradient(&x, &y[..53], &statistics, &out, &mut gradient);
            out.extend(gradient);
            out
        });
        same_bits_in_every_build(|| {
            let (mut p, mut m, mut v) = (x.clone(), y.clone(), vec![0.5; x.len()]);
            let step = update::AdamStep::new(0.01, 0.9, 0.99, 1e-8, 3, 0.1);
            update::adam(&mut p, &y, &mut m, &mut v, step);
            p.extend([vector::square_sum(&x) as f32]);
            p
        });
    }
}
