//! What tabs weigh by a scale that goes for all of them at once.
//!
//! Of a tab only that is kept which is its own: what was measured, or what discards on its host
//! freed. How that fits into the browser's memory, and what a tab weighs of which nothing is known,
//! changes with every reading of that memory, and is one [`Scale`] for all. So a reading costs the
//! same with two tabs and with two thousand, and under any number of policies.

use engine::DEFAULT_TAB_BYTES;
use serde::{Deserialize, Serialize};

/// Where the bytes of a tab are from. The first that is there is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The last `tab_memory` of the tab on this page.
    Tab,
    /// The median of what discards on its host freed so far.
    Host,
    /// The last reading of the browser's memory, over the tabs that were loaded then.
    Mean,
    /// [`DEFAULT_TAB_BYTES`]: what Chromium assumes.
    Default,
}

impl Source {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Tab, Self::Host, Self::Mean, Self::Default];

    /// What it is called, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tab => "measured on the tab",
            Self::Host => "its host's median",
            Self::Mean => "the browser's mean",
            Self::Default => "the default",
        }
    }
}

/// What a tab weighs, before it is put on the scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Weight {
    /// So many bytes, which were measured on it before it was discarded: it is no part of what is
    /// read any more, and they stay.
    Kept(u64),
    /// So many bytes, which were measured on it.
    Measured(u64),
    /// So many bytes, its host's median.
    OfHost(u64),
    /// What nobody knows better of any tab.
    Guessed,
}

/// Weights of many tabs, added up; or less those of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bulk {
    kept: i128,
    measured: i128,
    of_hosts: i128,
    guessed: i64,
}

impl Bulk {
    /// Adds a weight, or takes it away where `sign` is -1.
    pub(super) fn count(&mut self, weight: Weight, sign: i64) {
        let signed = |bytes: u64| i128::from(sign) * i128::from(bytes);
        match weight {
            Weight::Kept(bytes) => self.kept += signed(bytes),
            Weight::Measured(bytes) => self.measured += signed(bytes),
            Weight::OfHost(bytes) => self.of_hosts += signed(bytes),
            Weight::Guessed => self.guessed += sign,
        }
    }
}

/// How many bytes the weights of tabs stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scale {
    /// What is left of a byte that was measured, in parts of [`WHOLE`].
    fit: u64,
    /// What a tab weighs of which nothing is known, in bytes.
    guess: u64,
    /// Where that is from.
    guess_source: Source,
}

/// All of a byte, in the parts that a [`Scale`] fits by: 2^32.
const WHOLE_BITS: u32 = 32;
const WHOLE: u64 = 1 << WHOLE_BITS;

impl Default for Scale {
    /// Before the first reading.
    fn default() -> Self {
        Self {
            fit: WHOLE,
            guess: DEFAULT_TAB_BYTES,
            guess_source: Source::Default,
        }
    }
}

impl Scale {
    /// Makes loaded tabs fit into a reading of the browser's memory, and with them what is guessed
    /// of others. They are never blown up to fill it: what is left over is the browser's own.
    pub(super) fn fitting(browser_bytes: u64, loaded: &Bulk, loaded_count: u64) -> Self {
        let (guess, guess_source) = match browser_bytes.checked_div(loaded_count) {
            Some(mean) => (mean, Source::Mean),
            None => (DEFAULT_TAB_BYTES, Source::Default),
        };
        let unfitted = Self {
            fit: WHOLE,
            guess,
            guess_source,
        };
        let loaded_bytes = u128::try_from(unfitted.bytes_of(loaded)).unwrap_or(0);
        if loaded_bytes <= u128::from(browser_bytes) {
            return unfitted;
        }
        let fit = (u128::from(browser_bytes) << WHOLE_BITS) / loaded_bytes;
        let scale = Self {
            fit: u64::try_from(fit).unwrap_or(WHOLE),
            ..unfitted
        };
        Self {
            guess: scale.bytes(Weight::Measured(guess)),
            ..scale
        }
    }

    /// Looks at a scale that was read.
    ///
    /// # Errors
    /// It would make more of what was measured.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.fit <= WHOLE {
            Ok(())
        } else {
            Err("tabs weigh more than was measured")
        }
    }

    /// What a tab of this weight takes, in bytes.
    pub(super) fn bytes(&self, weight: Weight) -> u64 {
        match weight {
            Weight::Kept(bytes) => bytes,
            Weight::Measured(bytes) | Weight::OfHost(bytes) => {
                u64::try_from(self.fitted(bytes.into())).unwrap_or(u64::MAX)
            }
            Weight::Guessed => self.guess,
        }
    }

    fn fitted(&self, bytes: i128) -> i128 {
        (bytes * i128::from(self.fit)) >> WHOLE_BITS
    }

    /// What all of them take, by where that is from, in the order of [`Source::ALL`].
    pub(super) fn by_source(&self, bulk: &Bulk) -> [i128; 4] {
        let measured = bulk.kept + self.fitted(bulk.measured);
        let mut bytes = [measured, self.fitted(bulk.of_hosts), 0, 0];
        bytes[self.guess_source as usize] += i128::from(bulk.guessed) * i128::from(self.guess);
        bytes
    }

    /// What all of them take, in bytes.
    pub(super) fn bytes_of(&self, bulk: &Bulk) -> i128 {
        self.by_source(bulk).iter().sum()
    }
}

/// What the scale has shown over the active clock, up to a moment. What a tab came to between two
/// moments is the difference of what its weight comes to up to each.
///
/// The bytes and the times of any machine stay far from the ends of an `i128`. Others wrap around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Elapsed {
    /// The moment, on the active clock.
    active: i64,
    /// What a byte that was measured came to, in parts of [`WHOLE`] and milliseconds.
    fit_ms: i128,
    /// What a tab came to of which nothing is known, in byte-milliseconds.
    guess_byte_ms: i128,
}

impl Elapsed {
    /// Goes on to a later moment on the active clock, under the scale that stands until then. Time
    /// that goes back stands still.
    pub(super) fn to(self, active: i64, scale: &Scale) -> Self {
        let passed_ms = i128::from(active.saturating_sub(self.active).max(0));
        let fit_ms = i128::from(scale.fit) * passed_ms;
        let guess_byte_ms = i128::from(scale.guess) * passed_ms;
        Self {
            active: active.max(self.active),
            fit_ms: self.fit_ms.wrapping_add(fit_ms),
            guess_byte_ms: self.guess_byte_ms.wrapping_add(guess_byte_ms),
        }
    }

    /// What a tab of this weight came to, in byte-milliseconds.
    pub(super) fn byte_ms(&self, weight: Weight) -> i128 {
        match weight {
            Weight::Kept(bytes) => i128::from(bytes).wrapping_mul(self.active.into()),
            Weight::Measured(bytes) | Weight::OfHost(bytes) => self.fitted_byte_ms(bytes.into()),
            Weight::Guessed => self.guess_byte_ms,
        }
    }

    /// What all of them came to.
    pub(super) fn byte_ms_of(&self, bulk: &Bulk) -> i128 {
        let kept = bulk.kept.wrapping_mul(self.active.into());
        let fitted = self.fitted_byte_ms(bulk.measured + bulk.of_hosts);
        let guessed = self.guess_byte_ms.wrapping_mul(bulk.guessed.into());
        kept.wrapping_add(fitted).wrapping_add(guessed)
    }

    fn fitted_byte_ms(&self, bytes: i128) -> i128 {
        bytes.wrapping_mul(self.fit_ms) >> WHOLE_BITS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn bulk(weights: &[Weight]) -> Bulk {
        let mut bulk = Bulk::default();
        for &weight in weights {
            bulk.count(weight, 1);
        }
        bulk
    }

    #[test]
    fn loaded_tabs_are_made_to_fit_and_never_blown_up() {
        use Weight::{Guessed, Kept, Measured, OfHost};
        let loaded = bulk(&[Measured(900 * MIB), OfHost(100 * MIB)]);
        let roomy = Scale::fitting(1_001 * MIB, &loaded, 2);
        assert_eq!(roomy.bytes(Measured(900 * MIB)), 900 * MIB);
        let tight = Scale::fitting(500 * MIB, &loaded, 2);
        assert_eq!(tight.bytes(Measured(900 * MIB)), 450 * MIB);
        assert_eq!(tight.bytes(OfHost(100 * MIB)), 50 * MIB);
        assert_eq!(tight.bytes(Kept(900 * MIB)), 900 * MIB);
        // The mean of the two is 250 MiB, half of which fits.
        assert_eq!(tight.bytes(Guessed), 125 * MIB);
    }

    #[test]
    fn what_nobody_knows_is_the_default_until_a_tab_is_loaded_at_a_reading() {
        let before = Scale::default();
        let without_tabs = Scale::fitting(700 * MIB, &Bulk::default(), 0);
        let of_two = Scale::fitting(700 * MIB, &bulk(&[Weight::Guessed; 2]), 2);
        let told = [before, without_tabs, of_two].map(|it| (it.guess, it.guess_source));
        let default = (DEFAULT_TAB_BYTES, Source::Default);
        assert_eq!(told, [default, default, (350 * MIB, Source::Mean)]);
    }

    #[test]
    fn a_stretch_of_time_comes_to_what_its_parts_do() {
        let weights = [
            Weight::Kept(3 * MIB),
            Weight::Measured(7 * MIB),
            Weight::OfHost(5 * MIB),
            Weight::Guessed,
        ];
        let (all, loaded) = (bulk(&weights), bulk(&weights[1..]));
        let mut elapsed = Elapsed::default();
        let mut byte_ms = [0; 4];
        for (mib, active) in [(900, 1_000), (9, 1_500), (2, 9_000)] {
            let scale = Scale::fitting(mib * MIB, &loaded, 3);
            for (sum, weight) in byte_ms.iter_mut().zip(weights) {
                *sum += i128::from(scale.bytes(weight)) * i128::from(active - elapsed.active);
            }
            elapsed = elapsed.to(active, &scale);
        }
        let near = |found: i128, expect: i128| found.abs_diff(expect) < 20_000;
        for (sum, weight) in byte_ms.into_iter().zip(weights) {
            let found = elapsed.byte_ms(weight);
            assert!(near(found, sum), "{weight:?}: {found}, not {sum}");
        }
        assert!(near(elapsed.byte_ms_of(&all), byte_ms.iter().sum()));
    }

    #[test]
    fn numbers_that_no_machine_has_lead_nowhere() {
        let weights = [
            Weight::Kept(u64::MAX),
            Weight::OfHost(u64::MAX),
            Weight::Guessed,
        ];
        let scale = Scale::fitting(u64::MAX, &bulk(&[Weight::Measured(u64::MAX); 9]), 9);
        assert!(scale.bytes(Weight::Measured(u64::MAX)) <= u64::MAX / 8);
        let elapsed = Elapsed::default().to(i64::MAX, &scale);
        for weight in weights {
            elapsed.byte_ms(weight);
        }
        elapsed.byte_ms_of(&bulk(&weights));
        let back = elapsed.to(i64::MIN, &scale);
        assert_eq!(back, elapsed, "time that goes back stands still");
    }
}
