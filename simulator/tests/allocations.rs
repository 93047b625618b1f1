//! What is allocated while events go by, counted by an allocator of its own.
//!
//! A trace and the first half of it are run alike; what the second half adds, over its events, is
//! what goes on and on. A warm-up thus counts for nothing, however long it is.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use engine::{Engine, Input, Mode, Orchestrator, PolicyDocument};
use recorder::{Line, Source};
use simulator::packed::{About, PackedTrace, Packer};
use simulator::replay::{Replay, Step};
use simulator::synth::generation::Generation;
use simulator::synth::profile::Population;

const MONDAY_MS: i64 = 1_767_571_200_000;
const DAY_MS: i64 = 86_400_000;

/// Counts what its thread asks for: other tests run beside it.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // A thread that ends has nowhere to count any more.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe: this one counts and hands on"
)]
// SAFETY: all is handed on as it is to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(run: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

/// So many weeks of somebody with many tabs; one event in five is a sample of the machine.
fn packed(weeks: i64) -> PackedTrace {
    let mut population = Population::named("heavy").unwrap();
    population.members[0].profile.machine.sample_every_s = 85.0;
    let generation = Generation {
        population,
        seed: 0,
        from_ms: MONDAY_MS,
        until_ms: MONDAY_MS + weeks * 7 * DAY_MS,
    };
    let mut packer = Packer::new(Vec::new());
    for ((t_ms, body), seq) in generation.person(0).zip(1..) {
        let src = body.source().unwrap();
        let from_extension = src == Source::Ext;
        let line = Line {
            seq: engine::Seq(seq),
            t_ms,
            src,
            n: from_extension.then_some(seq),
            at_ms: from_extension.then_some(t_ms),
            body,
        };
        packer.push(&line).unwrap();
    }
    let packed = packer.finish(About::default()).unwrap();
    PackedTrace::open(Arc::new(packed)).unwrap()
}

/// What is allocated for each thousand events of the second half of a trace.
fn per_thousand(run: impl Fn(&PackedTrace)) -> f64 {
    let [half, whole] = [4, 8].map(|weeks| {
        let packed = packed(weeks);
        (packed.step_count(), allocations(|| run(&packed)))
    });
    assert!(whole.0 > half.0 + 10_000, "{half:?}, then {whole:?}");
    let more = whole.1.saturating_sub(half.1);
    more as f64 * 1e3 / (whole.0 - half.0) as f64
}

fn check(what: &str, bound: f64, run: impl Fn(&PackedTrace)) {
    let found = per_thousand(run);
    assert!(
        found <= bound,
        "{what}: {found:.1} allocations a thousand events, at most {bound} expected"
    );
}

#[test]
fn what_allocates_is_counted() {
    let found = per_thousand(|packed| {
        packed.steps().for_each(|step| drop(Box::new(step)));
    });
    assert!((1_000.0..1_100.0).contains(&found), "{found}");
}

/// Where nothing opens, closes or shows another page, and the policy has nothing to say, there is
/// nothing that anything could be allocated for. Where something does, tables grow now and then.
#[test]
fn a_step_of_the_engine_allocates_for_what_is_new_alone() {
    let packed = packed(8);
    let mut engine = Engine::new(Orchestrator::new(PolicyDocument::default()), Mode::Enforce);
    let mut outputs = Vec::new();
    let (mut events, mut all) = (0_u64, 0);
    let (mut quiet, mut stirring, mut grown) = (0_u64, 0_u64, 0);
    for (step, index) in packed.steps().zip(0..) {
        let Step::Event(event) = step.unwrap() else {
            continue;
        };
        outputs.clear();
        let found = allocations(|| engine.step(&event, &mut outputs));
        if index < packed.step_count() / 2 {
            continue;
        }
        events += 1;
        all += found;
        if !outputs.is_empty() {
            continue;
        }
        match event.input {
            Input::TabOpened(_)
            | Input::TabClosed { .. }
            | Input::TabNavigated { .. }
            | Input::TabMemory { .. } => {
                stirring += 1;
                grown += found;
            }
            _ => {
                quiet += 1;
                assert_eq!(found, 0, "{event:?}");
            }
        }
    }
    assert!(quiet > 20_000 && stirring > 10_000, "{quiet}, {stirring}");
    assert!(grown * 500 < stirring, "{grown} by {stirring} events");
    assert!(all * 1_000 <= 12 * events, "{all} by {events} events");
}

/// Here, too, though what the policy decides is carried out, and tabs that it holds come back. Whoever
/// reads a packed trace has its hosts' names to himself.
#[test]
fn a_replay_of_a_packed_trace_allocates_for_what_is_new_alone() {
    let names = per_thousand(|packed| read(packed, |_| {}));
    check("a replay", names + 8.0, |packed| {
        let mut replay = Replay::new(Orchestrator::new(PolicyDocument::default()));
        let mut decided = Vec::new();
        read(packed, |step| {
            replay.take_step(step, &mut decided);
            decided.clear();
        });
        replay.finish(&mut decided);
    });
}

fn read(packed: &PackedTrace, mut take: impl FnMut(&Step)) {
    let mut steps = packed.steps();
    while let Some(step) = steps.lend().unwrap() {
        take(step);
    }
}
