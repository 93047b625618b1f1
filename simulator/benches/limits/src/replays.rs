//! A replay of a packed trace, a sweep of many, and a replay with few tabs open and with many.

use std::sync::Arc;

use anyhow::Context as _;
use engine::{Orchestrator, PolicyDocument};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use recorder::Trace;
use simulator::comparison::{self, Entrant, Loop};
use simulator::packed::PackedTrace;
use simulator::replay::{Clairvoyance, Replay, Score, Step};
use simulator::sweep::{Design, Dimension, Space};

use crate::decode::pack;
use crate::session::{MINUTE, Session};
use crate::{Figures, Subject, sink};

/// How many variants are swept: as many as go side by side at most, on each of two threads.
const VARIANTS: usize = 32;
pub(crate) const ABREAST: usize = 16;

/// Packs a trace and opens it.
pub(crate) fn packed(trace: &Trace) -> anyhow::Result<PackedTrace> {
    Ok(PackedTrace::open(Arc::new(pack(trace.read())?))?)
}

/// Replays under our policies side by side, in closed loop, with all scores but the frontier.
pub(crate) fn run(packed: &PackedTrace, documents: &[PolicyDocument]) -> f64 {
    let entrant = |document: &PolicyDocument| Entrant {
        name: document.hash(),
        protected_domains: document.protected_domains.clone(),
        policy: Box::new(Orchestrator::new(document.clone())),
        is_ticking: false,
    };
    let entrants: Vec<Entrant> = documents.iter().map(entrant).collect();
    let scores = comparison::run(&entrants, packed, Loop::Closed, None);
    scores.map_or(f64::NAN, |scores| {
        scores.iter().map(|score| score.saved_gib_h).sum()
    })
}

pub(crate) fn variants() -> anyhow::Result<Vec<PolicyDocument>> {
    let ttl = Dimension::parse("ttl_minutes=1..60")?;
    let space = Space::new(PolicyDocument::default(), vec![ttl])?;
    let variants = Design::Sobol(VARIANTS).variants(&space, 0)?;
    Ok(variants.into_iter().map(|it| it.document).collect())
}

/// So many hours of browsing, from the start of the session.
pub(crate) fn browsing(open_tabs: i64, hours: i64) -> Vec<Step> {
    let mut session = Session::started(open_tabs);
    session.browse(MINUTE * 60 * hours);
    session.log.into_iter().map(Step::Event).collect()
}

/// Replays with all scores, the frontier too.
pub(crate) fn with_frontier(steps: &[Step]) -> Score {
    let document = PolicyDocument::default();
    let mut clairvoyance = Clairvoyance::new(&document.protected_domains);
    let mut replay = Replay::new(Orchestrator::new(document)).keeping_holds();
    let mut decided = Vec::new();
    for step in steps {
        clairvoyance.take_step(step);
        replay.take_step(step, &mut decided);
        decided.clear();
    }
    let (mut score, holds) = replay.finish_with_holds(&mut decided);
    clairvoyance.finish().measure(&mut score, &holds);
    score
}

fn pool(threads: usize) -> anyhow::Result<ThreadPool> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.context("there are no threads")
}

pub(crate) fn measure(rounds: usize, trace: &Trace, figures: &mut Figures) -> anyhow::Result<()> {
    let packed = packed(trace)?;
    let variants = variants()?;
    let (one, two) = (pool(1)?, pool(2)?);
    let steps = packed.step_count();
    let swept = steps * VARIANTS as u64;
    let sweep = || -> f64 {
        let batches = variants.par_chunks(ABREAST);
        batches.map(|batch| run(&packed, batch)).sum()
    };
    let default = [PolicyDocument::default()];
    let subjects = vec![
        Subject::new("packed_steps", steps, || {
            let mut steps = packed.steps();
            while let Ok(Some(step)) = steps.lend() {
                sink(step);
            }
        }),
        Subject::new("packed_replay", steps, || {
            sink(run(&packed, &default));
        }),
        Subject::new("sweep_one_thread", swept, || {
            sink(one.install(sweep));
        }),
        Subject::new("sweep_two_threads", swept, || {
            sink(two.install(sweep));
        }),
    ];
    crate::measure(rounds, subjects, figures);
    let with_tabs = [("frontier_30", 30), ("frontier_2000", 2_000)].map(|(name, open_tabs)| {
        let steps = browsing(open_tabs, 100);
        let count = steps.len() as u64;
        Subject::new(name, count, move || sink(with_frontier(&steps)))
    });
    crate::measure(rounds, with_tabs.into(), figures);
    Ok(())
}
