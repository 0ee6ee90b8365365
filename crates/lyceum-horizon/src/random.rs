//! Random numbers whose output is fixed for ever.

use lyceum_types::Seed;

/// A stream of random numbers: xoshiro256++ (Blackman and Vigna, 2019), filled by `SplitMix64`.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    state: [u64; 4],
}

impl Stream {
    /// Returns the stream of this seed.
    pub(crate) fn new(seed: Seed) -> Stream {
        let mut counter = seed.0;
        let state = std::array::from_fn(|_| {
            counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = counter;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Stream { state }
    }

    /// Returns 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
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

    /// Returns a number that is uniform on `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns an index that is uniform below `count`, which must be above zero; the bias is below `count` / 2^64.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_those_of_the_reference_program() {
        // First outputs of xoshiro256plusplus.c from the state 1, 2, 3, 4.
        let mut stream = Stream {
            state: [1, 2, 3, 4],
        };
        let first: Vec<u64> = (0..3).map(|_| stream.bits()).collect();
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223]);
    }

    #[test]
    fn every_index_is_drawn_about_as_often() {
        let mut stream = Stream::new(Seed(1));
        let mut counts = [0_u32; 7];
        for _ in 0..70_000 {
            counts[stream.below(7)] += 1;
        }
        // Ten standard deviations.
        assert!(
            counts.iter().all(|count| count.abs_diff(10_000) < 930),
            "{counts:?}"
        );
    }
}
