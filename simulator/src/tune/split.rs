//! Which part of the traces a search may see, and on which its choice is judged.
//!
//! People are held out whole, each once: a policy for people whom nobody has seen must not be
//! judged on those whom it was made for. And time is walked forward: what was chosen on the first
//! windows is judged on the next, since nobody tunes on the future.

use thiserror::Error;

use crate::replay::Tally;
use crate::synth::draw::Draw;

/// The stream of random numbers that people are dealt out by.
const DEAL_STREAM: u64 = 1;

/// What a split is made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitKind {
    /// Some people are held out.
    ByPerson,
    /// A later time is held out.
    WalkForward,
    /// Nothing is held out: what is chosen on all of it is what is recommended.
    Whole,
}

/// A part of the traces: of each person some of the windows of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// People, by number.
    pub people: Vec<usize>,
    /// Windows, from the first one, included, to the last one, excluded.
    pub windows: (usize, usize),
}

/// What a search sees, and what its choice is judged on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// How it is made.
    pub kind: SplitKind,
    /// What the search sees.
    pub training: Part,
    /// What it does not.
    pub held_out: Part,
}

/// Traces that cannot be split.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SplitError {
    /// One person in one window.
    #[error(
        "there is one person and too little time: nothing can be held out; give traces of more people, \
         or more windows of time"
    )]
    TooShort,
    /// A person with too little in too many windows.
    #[error(
        "in window {window} of {windows} nobody was active; the traces are too short to be split so \
         often: take fewer windows"
    )]
    EmptyWindow {
        /// The window, from 1.
        window: usize,
        /// How many there are.
        windows: usize,
    },
}

/// Makes the splits: `folds` by person (fewer where there are fewer people), one for each window of
/// time but the first, and the whole. `seed` deals people out.
///
/// # Errors
/// Traces of one person, in one window.
pub fn split(
    people: usize,
    folds: usize,
    windows: usize,
    seed: u64,
) -> Result<Vec<Split>, SplitError> {
    let folds = folds.min(people);
    if folds < 2 && windows < 2 {
        return Err(SplitError::TooShort);
    }
    let everybody: Vec<usize> = (0..people).collect();
    let mut dealt = everybody.clone();
    let mut draw = Draw::new(seed, DEAL_STREAM);
    for last in (1..people).rev() {
        dealt.swap(last, draw.index(last + 1));
    }
    let all = (0, windows);
    let mut splits = Vec::new();
    if folds >= 2 {
        for fold in 0..folds {
            let of = |is_held_out: bool| {
                let dealt = dealt.iter().enumerate();
                let people = dealt.filter(|(place, _)| (place % folds == fold) == is_held_out);
                let mut people: Vec<usize> = people.map(|(_, &person)| person).collect();
                people.sort_unstable();
                Part {
                    people,
                    windows: all,
                }
            };
            splits.push(Split {
                kind: SplitKind::ByPerson,
                training: of(false),
                held_out: of(true),
            });
        }
    }
    for next in 1..windows {
        let of = |windows| Part {
            people: everybody.clone(),
            windows,
        };
        splits.push(Split {
            kind: SplitKind::WalkForward,
            training: of((0, next)),
            held_out: of((next, next + 1)),
        });
    }
    splits.push(Split {
        kind: SplitKind::Whole,
        training: Part {
            people: everybody,
            windows: all,
        },
        held_out: Part::default(),
    });
    Ok(splits)
}

/// What a policy came to: for each person the sums of each window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells(pub Vec<Vec<Tally>>);

impl Cells {
    /// The sums of each person of a part.
    pub fn by_person<'a>(&'a self, part: &'a Part) -> impl Iterator<Item = Tally> + 'a {
        let (from, to) = part.windows;
        let windows = move |person: &usize| self.0[*person][from..to].iter().copied().sum();
        part.people.iter().map(windows)
    }

    /// The sums over a part.
    pub fn sum(&self, part: &Part) -> Tally {
        self.by_person(part).sum()
    }

    /// Sees whether somebody is active in every window.
    ///
    /// # Errors
    /// The first window in which nobody is.
    pub fn check(&self) -> Result<(), SplitError> {
        let windows = self.0.first().map_or(0, Vec::len);
        for window in 0..windows {
            let is_empty = |person: &Vec<Tally>| person[window].active_ms == 0;
            if self.0.iter().all(is_empty) {
                let window = window + 1;
                return Err(SplitError::EmptyWindow { window, windows });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn everybody_is_held_out_once_and_no_search_sees_what_it_is_judged_on() {
        let splits = split(10, 4, 3, 5).unwrap();
        let by_person = splits.iter().filter(|it| it.kind == SplitKind::ByPerson);
        let mut held_out = Vec::new();
        for it in by_person {
            let training: BTreeSet<usize> = it.training.people.iter().copied().collect();
            assert!(
                it.held_out
                    .people
                    .iter()
                    .all(|person| !training.contains(person))
            );
            assert_eq!(training.len() + it.held_out.people.len(), 10);
            held_out.extend(it.held_out.people.clone());
        }
        held_out.sort_unstable();
        assert_eq!(held_out, (0..10).collect::<Vec<_>>());
        let windows = splits.iter().filter(|it| it.kind == SplitKind::WalkForward);
        let windows: Vec<_> = windows
            .map(|it| (it.training.windows, it.held_out.windows))
            .collect();
        assert_eq!(windows, [((0, 1), (1, 2)), ((0, 2), (2, 3))]);
        assert_eq!(splits.last().unwrap().kind, SplitKind::Whole);
        assert_eq!(splits, split(10, 4, 3, 5).unwrap());
        assert_ne!(splits, split(10, 4, 3, 6).unwrap());
    }

    #[test]
    fn a_window_in_which_nobody_is_active_is_told() {
        let some = Tally {
            active_ms: 1,
            ..Tally::default()
        };
        let none = Tally::default();
        assert_eq!(
            Cells(vec![vec![some, none], vec![none, some]]).check(),
            Ok(())
        );
        let error = Cells(vec![vec![some, none], vec![some, none]]).check();
        let (window, windows) = (2, 2);
        assert_eq!(error, Err(SplitError::EmptyWindow { window, windows }));
    }

    #[test]
    fn little_is_split_as_far_as_it_goes() {
        assert_eq!(split(1, 5, 1, 0), Err(SplitError::TooShort));
        let kinds = |people, windows| -> Vec<SplitKind> {
            let splits = split(people, 5, windows, 0).unwrap();
            splits.into_iter().map(|it| it.kind).collect()
        };
        use SplitKind::{ByPerson, WalkForward, Whole};
        assert_eq!(kinds(1, 2), [WalkForward, Whole]);
        assert_eq!(kinds(2, 1), [ByPerson, ByPerson, Whole]);
    }
}
