//! Which of several equal parts of the units is carried out.

use std::str::FromStr;

/// One of several equal parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    /// Which, from 1.
    pub(crate) index: usize,
    pub(crate) of: usize,
}

impl Shard {
    /// Whether the unit with this index, from 0, belongs to it.
    pub(crate) fn has(self, unit: usize) -> bool {
        unit % self.of == self.index - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shard = text.split_once('/').and_then(|(index, of)| {
            let (index, of) = (index.parse().ok()?, of.parse().ok()?);
            (1..=of).contains(&index).then_some(Self { index, of })
        });
        shard.ok_or_else(|| "expected I/N with I from 1 to N, such as 3/8".to_owned())
    }
}
