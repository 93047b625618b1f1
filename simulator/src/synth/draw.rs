//! Random numbers that are the same for ever.
//!
//! `rand` may draw another number from the same bits in a later version, and `rand_distr` asks the
//! system for logarithms as soon as any crate of the build switches its `std` on. What stands here
//! rests on ChaCha's output alone, which is specified, on `libm`, and on arithmetic that IEEE 754
//! rounds in one way only.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub struct Draw {
    random: ChaCha8Rng,
    /// The second of a pair of normal numbers, which come two at a time.
    spare_normal: Option<f64>,
}

impl Draw {
    /// Creates the stream of this number under a seed. Streams of one seed do not overlap.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        Self {
            random,
            spare_normal: None,
        }
    }

    /// Draws 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.random.next_u64()
    }

    /// Draws from 0, included, to 1, excluded.
    pub fn share(&mut self) -> f64 {
        const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.bits() >> 11) as f64 * UNIT
    }

    /// Draws from `from`, included, to `to`, excluded.
    pub fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.share()
    }

    /// Draws an index below `count`, which is not 0.
    pub fn index(&mut self, count: usize) -> usize {
        // The high half of a product: each index to within 2⁻³² of its share for any count here.
        let product = u128::from(self.bits()) * count as u128;
        usize::try_from(product >> 64).expect("the high half of a product is below its factor")
    }

    /// Whether something of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    /// Draws from the exponential distribution of this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * libm::log(1.0 - self.share())
    }

    /// Draws from the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        if let Some(normal) = self.spare_normal.take() {
            return normal;
        }
        let radius = (-2.0 * libm::log(1.0 - self.share())).sqrt();
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * self.share());
        self.spare_normal = Some(radius * sin);
        radius * cos
    }

    /// Draws from the lognormal distribution of this median; `sigma` is the deviation of the
    /// logarithm.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * libm::exp(sigma * self.normal())
    }

    /// Draws from the Weibull distribution. With a shape below 1, what has lasted long goes on
    /// long.
    pub fn weibull(&mut self, shape: f64, scale: f64) -> f64 {
        scale * libm::pow(-libm::log(1.0 - self.share()), 1.0 / shape)
    }

    /// Draws a value by its weight. `choices` is not empty.
    pub fn choose<T: Copy>(&mut self, choices: &[(T, f64)]) -> T {
        let total: f64 = choices.iter().map(|(_, weight)| weight).sum();
        let mut left = total * self.share();
        for &(value, weight) in choices {
            left -= weight;
            if left < 0.0 {
                return value;
            }
        }
        choices[choices.len() - 1].0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_apart_and_each_is_the_same_again() {
        let numbers = |seed, stream| {
            let mut draw = Draw::new(seed, stream);
            std::array::from_fn::<u64, 8, _>(|_| draw.bits())
        };
        assert_eq!(numbers(1, 2), numbers(1, 2));
        assert_ne!(numbers(1, 2), numbers(1, 3));
        assert_ne!(numbers(1, 2), numbers(2, 2));
    }

    #[test]
    fn distributions_have_their_medians_and_means() {
        let mut draw = Draw::new(7, 0);
        let median_and_mean = |mut draw_one: Box<dyn FnMut(&mut Draw) -> f64>, draw: &mut Draw| {
            let mut drawn: Vec<f64> = (0..20_001).map(|_| draw_one(draw)).collect();
            drawn.sort_by(f64::total_cmp);
            (drawn[10_000], drawn.iter().sum::<f64>() / 20_001.0)
        };
        let ln2 = std::f64::consts::LN_2;
        let (median, mean) = median_and_mean(Box::new(|draw| draw.exponential(5.0)), &mut draw);
        assert!((median / (5.0 * ln2) - 1.0).abs() < 0.04 && (mean / 5.0 - 1.0).abs() < 0.04);
        let (median, _) = median_and_mean(Box::new(|draw| draw.weibull(0.61, 34.0)), &mut draw);
        let expect = 34.0 * ln2.powf(1.0 / 0.61);
        assert!((median / expect - 1.0).abs() < 0.05, "{median} {expect}");
        let (median, _) = median_and_mean(Box::new(|draw| draw.lognormal(3.0, 1.2)), &mut draw);
        assert!((median / 3.0 - 1.0).abs() < 0.05);
        let (median, mean) = median_and_mean(Box::new(Draw::normal), &mut draw);
        assert!(median.abs() < 0.03 && mean.abs() < 0.03);
        let choices = [(1, 1.0), (2, 2.0), (3, 1.0)];
        let (_, mean) = median_and_mean(
            Box::new(move |draw| f64::from(draw.choose(&choices))),
            &mut draw,
        );
        assert!((mean - 2.0).abs() < 0.03);
        assert!((0..1_000).all(|_| draw.index(3) < 3));
    }
}
