//! How fast a sweep is, in variant-events a second: 1,000,000 events, decoded once, replayed under
//! one variant of a policy and under many. The number of items that is told is that of steps.

#![expect(clippy::unwrap_used, reason = "in a bench a panic is the report")]

#[path = "../tests/it/busy.rs"]
mod busy;

use std::sync::{Arc, OnceLock};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use engine::{Orchestrator, PolicyDocument};
use rayon::prelude::*;
use recorder::Trace;
use simulator::comparison::{self, Entrant, Loop};
use simulator::packed::{About, PackedTrace, Packer};
use simulator::replay::{Clairvoyance, Foresight, Replay};
use simulator::sweep::{Design, Dimension, Space};

const EVENTS: u64 = 1_000_000;
const VARIANTS: usize = 32;

fn main() {
    divan::main();
}

struct Course {
    _folder: tempfile::TempDir,
    log: Trace,
    packed: PackedTrace,
    foresight: Foresight,
    variants: Vec<PolicyDocument>,
}

/// The trace and what is run over it, made once.
fn course() -> &'static Course {
    static COURSE: OnceLock<Course> = OnceLock::new();
    COURSE.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        busy::compose(&path, EVENTS);
        let log = Trace::open(&path).unwrap();
        let mut packer = Packer::new(Vec::new());
        for line in log.read() {
            packer.push(&line.unwrap()).unwrap();
        }
        let packed = packer.finish(About::default()).unwrap();
        let packed = PackedTrace::open(Arc::new(packed)).unwrap();
        Course {
            _folder: folder,
            log,
            foresight: Clairvoyance::of(&packed, &[]).unwrap(),
            packed,
            variants: variants(),
        }
    })
}

fn variants() -> Vec<PolicyDocument> {
    let ttl = Dimension::parse("ttl_minutes=1..60").unwrap();
    let space = Space::new(PolicyDocument::default(), vec![ttl]).unwrap();
    let variants = Design::Sobol(VARIANTS).variants(&space, 0).unwrap();
    variants.into_iter().map(|it| it.document).collect()
}

/// Runs variants side by side, as a sweep does.
fn run(documents: &[PolicyDocument]) -> f64 {
    let Course {
        packed, foresight, ..
    } = course();
    let entrant = |document: &PolicyDocument| Entrant {
        name: document.hash(),
        protected_domains: document.protected_domains.clone(),
        policy: Box::new(Orchestrator::new(document.clone())),
        is_ticking: false,
    };
    let entrants: Vec<Entrant> = documents.iter().map(entrant).collect();
    let scores = comparison::run(&entrants, packed, Loop::Closed, Some(foresight));
    scores.unwrap().iter().map(|score| score.saved_gib_h).sum()
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn a_log_is_read_and_replayed(bencher: Bencher<'_, '_>) {
    let course = course();
    bencher
        .counter(ItemsCount::new(course.packed.step_count()))
        .bench(|| {
            let mut replay = Replay::new(Orchestrator::new(course.variants[0].clone()));
            let mut decided = Vec::new();
            for line in course.log.read() {
                replay.take(line.unwrap(), &mut decided);
                decided.clear();
            }
            replay.finish(&mut decided)
        });
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn a_packed_trace_is_decoded(bencher: Bencher<'_, '_>) {
    let packed = &course().packed;
    bencher
        .counter(ItemsCount::new(packed.step_count()))
        .counter(BytesCount::new(packed.byte_count()))
        .bench(|| {
            for step in packed.steps() {
                let _ = divan::black_box(step);
            }
        });
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn a_packed_trace_is_replayed(bencher: Bencher<'_, '_>) {
    let course = course();
    bencher
        .counter(ItemsCount::new(course.packed.step_count()))
        .bench(|| run(&course.variants[..1]));
}

#[divan::bench(args = [2, 4, 8, 16, 32], sample_count = 1, sample_size = 1)]
fn variants_go_side_by_side(bencher: Bencher<'_, '_>, abreast: usize) {
    let course = course();
    let steps = course.packed.step_count() * course.variants.len() as u64;
    bencher.counter(ItemsCount::new(steps)).bench(|| {
        let batches = course.variants.chunks(abreast);
        batches.map(run).sum::<f64>()
    });
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn variants_are_swept_on_every_core(bencher: Bencher<'_, '_>) {
    let course = course();
    let steps = course.packed.step_count() * course.variants.len() as u64;
    bencher.counter(ItemsCount::new(steps)).bench(|| {
        let batches = course.variants.par_chunks(16);
        batches.map(run).sum::<f64>()
    });
}
