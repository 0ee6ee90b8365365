//! Seeded random numbers: the same seed gives the same stream on every machine.

/// Generator xoshiro256++ (Blackman and Vigna, "Scrambled Linear Pseudorandom Number
/// Generators", ACM TOMS 2021), its state filled by `SplitMix64` as the authors advise.
#[derive(Clone, Debug)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// Returns the generator of `seed`. Neighbouring seeds give unrelated streams.
    pub fn new(seed: u64) -> Self {
        let mut counter = seed;
        Self {
            state: std::array::from_fn(|_| split_mix(&mut counter)),
        }
    }

    /// Returns the generator of `seed` for one named purpose, unrelated to other purposes.
    pub fn for_purpose(seed: u64, purpose: &str) -> Self {
        // FNV-1a, then the mixer of `new`: a name only has to select a distinct stream.
        let hash = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        let mut counter = seed;
        Self::new(split_mix(&mut counter) ^ hash)
    }

    /// Returns 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Returns a number uniform in `[0, 1)`, a multiple of 2⁻⁵³.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Returns an index uniform in `0..bound`, or 0 for an empty range.
    pub fn index(&mut self, bound: usize) -> usize {
        // The multiply-shift of Lemire; its bias is below 2⁻⁵⁰ for the bounds used here.
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// Returns a standard normal number (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

fn split_mix(counter: &mut u64) -> u64 {
    *counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *counter;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_numbers_have_mean_zero_and_variance_one() {
        let mut random = Random::new(7);
        let draws: Vec<f64> = (0..200_000).map(|_| random.normal()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.01, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.02, "variance {variance}");
    }

    #[test]
    fn first_normals_of_neighbouring_seeds_are_uncorrelated() {
        let first: Vec<f64> = (0..20_000).map(|seed| Random::new(seed).normal()).collect();
        let products: f64 = first.windows(2).map(|pair| pair[0] * pair[1]).sum();
        let correlation = products / first.len() as f64;
        assert!(correlation.abs() < 0.03, "correlation {correlation}");
    }

    #[test]
    fn purposes_and_seeds_give_distinct_streams() {
        let streams = [
            Random::for_purpose(1, "input").bits(),
            Random::for_purpose(1, "noise").bits(),
            Random::for_purpose(2, "input").bits(),
            Random::new(1).bits(),
        ];
        for (i, a) in streams.iter().enumerate() {
            assert!(streams[i + 1..].iter().all(|b| a != b), "{streams:?}");
        }
    }

    #[test]
    fn indices_cover_the_range_evenly() {
        let mut random = Random::new(3);
        let mut counts = [0_u32; 26];
        for _ in 0..26_000 {
            counts[random.index(26)] += 1;
        }
        assert!(
            counts.iter().all(|&count| (800..1200).contains(&count)),
            "{counts:?}"
        );
    }
}
