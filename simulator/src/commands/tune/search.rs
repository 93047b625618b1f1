//! Searches on the training part of one split, and chooses of what it found.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::bail;
use simulator::replay::Rates;
use simulator::sweep::Variant;
use simulator::tune::{
    Cells, Choice, Limits, Plateau, Search, Split, double_steps, neighbours, steps,
};

use super::HeldAgainst;
use super::bench::Bench;
use super::task::Task;
use crate::commands::sweep::progress;

/// How many of the best candidates have their neighbours looked at.
const CANDIDATES: usize = 6;

/// How many of the best are polished, how far they lie apart in some setting at least, as a share of
/// its range, and in how many steps at most.
const POLISHED: usize = 3;
const APART: f64 = 0.3;
const STEPS: usize = 12;

/// A step that saves less more than this share is none.
const LEAST_GAIN: f64 = 1e-4;

/// Beyond a limit all that is saved counts for nothing.
const FAR_WORSE: f64 = 1e6;

/// What a search came to.
pub(super) struct Searched {
    pub(super) limits: Limits,
    pub(super) tried: Vec<(Variant, Arc<Cells>)>,
    pub(super) chosen: Option<Chosen>,
    /// Where nothing keeps the limits: what comes nearest, by number.
    pub(super) nearest: Option<usize>,
}

#[derive(Clone)]
pub(super) struct Chosen {
    pub(super) variant: Variant,
    pub(super) cells: Arc<Cells>,
    pub(super) plateau: Plateau,
}

/// Searches on the training part of a split and chooses. `known` are variants to look at, too.
pub(super) fn search(
    task: &Task,
    split: &Split,
    known: &[Chosen],
    HeldAgainst { base, original }: HeldAgainst<&Arc<Cells>>,
    bench: &mut Bench,
    about: &str,
) -> anyhow::Result<Searched> {
    let rates = |cells: &Cells| cells.sum(&split.training).rates();
    let limits = task.limits_in_training([base, original].map(|cells| rates(cells)));
    let bar = progress(task.trials as u64, &format!("variants, {about}"));
    let mut search = Search::new(&task.space, task.population, task.seed);
    let mut tried: Vec<(Variant, Arc<Cells>)> = Vec::new();
    while tried.len() < task.trials {
        let asked = search.ask()?;
        let variants: Vec<&Variant> = asked.iter().flatten().collect();
        let cells = bench.cells_of(&variants)?;
        bar.inc(cells.len() as u64);
        let mut answers = cells.iter().map(|cells| {
            let rates = rates(cells);
            (rates, limits.excess(&rates))
        });
        let answers: Vec<_> = asked
            .iter()
            .map(|it| it.as_ref().and_then(|_| answers.next()))
            .collect();
        search.tell(&answers)?;
        let before = tried.len();
        tried.extend(asked.into_iter().flatten().zip(cells));
        if tried.len() == before {
            bail!("no combination of these values is a valid policy");
        }
    }
    bar.finish_and_clear();

    polish(task, known, &mut tried, base, &rates, &limits, bench)?;

    let mut plateaus = Vec::new();
    let kept = best(&tried, CANDIDATES, |cells| {
        let rates = rates(cells);
        (limits.excess(&rates) <= 0.0).then(|| rates.saved_share.unwrap_or(0.0))
    });
    for &index in &kept {
        let around = neighbours(&task.space, &tried[index].0);
        let around = bench.cells_of(&around.iter().collect::<Vec<_>>())?;
        let around: Vec<Rates> = around.iter().map(|cells| rates(cells)).collect();
        plateaus.push(Plateau::new(&rates(&tried[index].1), &around, &limits));
    }
    let chosen = Choice::of(&plateaus).map(|choice| {
        let (variant, cells) = tried[kept[choice.index]].clone();
        Chosen {
            variant,
            cells,
            plateau: choice.plateau,
        }
    });
    let excess = |&index: &usize| limits.excess(&rates(&tried[index].1));
    let nearest = (0..tried.len()).min_by(|a, b| excess(a).total_cmp(&excess(b)));
    Ok(Searched {
        limits,
        nearest: nearest.filter(|_| chosen.is_none()),
        tried,
        chosen,
    })
}

/// Goes on from the best variants, and from the base, a step at a time in one setting or, where that
/// does not help, in two, as long as that makes them better: first to within the limits, then to
/// save more (Hooke and Jeeves 1961). What a search by generations leaves on the way to a limit is
/// mostly this.
fn polish(
    task: &Task,
    known: &[Chosen],
    tried: &mut Vec<(Variant, Arc<Cells>)>,
    base: &Cells,
    rates: &impl Fn(&Cells) -> Rates,
    limits: &Limits,
    bench: &mut Bench,
) -> anyhow::Result<()> {
    let worth = |cells: &Cells| {
        let rates = rates(cells);
        (
            -limits.excess(&rates).max(0.0),
            rates.saved_share.unwrap_or(0.0),
        )
    };
    let better = |one: (f64, f64), other: (f64, f64)| {
        one.0 > other.0 || (one.0 >= other.0 && one.1 > other.1 + LEAST_GAIN)
    };
    let mut starts: Vec<(Variant, (f64, f64))> = Vec::new();
    let in_order = best(tried, tried.len(), |cells| {
        let (excess, saved) = worth(cells);
        Some(excess * FAR_WORSE + saved)
    });
    for index in in_order {
        let (variant, cells) = &tried[index];
        let is_near = |it: &(Variant, _)| task.space.distance(&it.0, variant) < APART;
        if starts.len() < POLISHED && !starts.iter().any(is_near) {
            starts.push((variant.clone(), worth(cells)));
        }
    }
    starts.extend(
        known
            .iter()
            .map(|it| (it.variant.clone(), worth(&it.cells))),
    );
    starts.push((task.space.own_variant(), worth(base)));
    for (mut here, mut worth_here) in starts {
        for _ in 0..STEPS {
            let mut next = None;
            for ways in [steps, double_steps] {
                let around = ways(&task.space, &here);
                let cells = bench.cells_of(&around.iter().collect::<Vec<_>>())?;
                for (variant, cells) in around.iter().zip(&cells) {
                    let worth_there = worth(cells);
                    if better(worth_there, worth_here) {
                        worth_here = worth_there;
                        next = Some(variant.clone());
                    }
                }
                tried.extend(around.into_iter().zip(cells));
                if next.is_some() {
                    break;
                }
            }
            match next {
                Some(next) => here = next,
                None => break,
            }
        }
    }
    Ok(())
}

/// The distinct policies with the highest worth, by number, the best first; those without any are
/// left out.
fn best(
    tried: &[(Variant, Arc<Cells>)],
    count: usize,
    worth: impl Fn(&Cells) -> Option<f64>,
) -> Vec<usize> {
    let all = tried.iter().enumerate();
    let mut all: Vec<(usize, f64)> = all
        .filter_map(|(index, (_, cells))| Some((index, worth(cells)?)))
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut seen = BTreeSet::new();
    let all = all.into_iter().map(|(index, _)| index);
    all.filter(|&index| seen.insert(tried[index].0.document.hash()))
        .take(count)
        .collect()
}
