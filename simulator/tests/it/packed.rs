//! A packed trace holds what a replay takes from a log, and nothing damaged passes for one.

use std::path::Path;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use recorder::{Body, Line, Metrics, Trace};
use simulator::packed::{About, MAGIC, PackedTrace, Packer};
use simulator::replay::{Replay, Step};

use crate::properties::{body, greedy, lines};

fn pack(lines: &[Line]) -> Vec<u8> {
    let mut packer = Packer::new(Vec::new());
    for line in lines {
        packer.push(line).unwrap();
    }
    packer.finish(About::default()).unwrap()
}

pub(crate) fn packed(lines: &[Line]) -> PackedTrace {
    PackedTrace::open(Arc::new(pack(lines))).unwrap()
}

fn steps(bytes: Vec<u8>) -> Vec<Step> {
    let packed = PackedTrace::open(Arc::new(bytes)).unwrap();
    let steps: Vec<Step> = packed.steps().map(Result::unwrap).collect();
    assert_eq!(steps.len() as u64, packed.step_count());
    let mut lent = packed.steps();
    for step in &steps {
        assert_eq!(lent.lend().unwrap(), Some(step));
    }
    assert_eq!(lent.lend().unwrap(), None);
    steps
}

/// Puts other steps into a packed trace, with a checksum that holds.
fn with_steps(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> PackedTrace {
    let (content, trailer) = bytes.split_at(bytes.len() - 16);
    let length = u32::from_le_bytes(*trailer.first_chunk().unwrap()) as usize;
    let (steps, head) = content.split_at(content.len() - length);
    let mut steps = steps.to_vec();
    change(&mut steps);
    let content = [&*steps, head].concat();
    let crc = crc32c::crc32c(&content).to_le_bytes();
    let bytes = [&*content, &trailer[..4], &crc, MAGIC].concat();
    PackedTrace::open(Arc::new(bytes)).unwrap()
}

fn expected(lines: &[Line]) -> Vec<Step> {
    lines.iter().filter_map(Step::of).collect()
}

fn recorded() -> Vec<Vec<Line>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../traces/recorded");
    ["enforce", "long", "observe"]
        .map(|name| {
            let trace = Trace::open(folder.join(name)).unwrap();
            trace.read().map(Result::unwrap).collect()
        })
        .into()
}

#[test]
fn recorded_traces_come_back_as_they_were() {
    for lines in recorded() {
        let bytes = pack(&lines);
        let packed = PackedTrace::open(Arc::new(bytes.clone())).unwrap();
        let each = packed.byte_count() / packed.step_count();
        assert!((8..=32).contains(&each), "{each} bytes a step");
        assert_eq!(steps(bytes), expected(&lines));
    }
}

#[test]
fn one_that_is_damaged_or_cut_is_none() {
    let bytes = pack(&recorded()[2]);
    for length in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        assert!(PackedTrace::open(Arc::new(bytes[..length].to_vec())).is_err());
    }
    for place in (0..bytes.len()).step_by(101) {
        let mut spoiled = bytes.clone();
        spoiled[place] ^= 0x10;
        assert!(
            PackedTrace::open(Arc::new(spoiled)).is_err(),
            "byte {place}"
        );
    }
}

/// Samples whose values are any at all.
fn sample() -> impl Strategy<Value = Body> {
    let number = || any::<Option<u64>>();
    let fraction = || {
        proptest::option::of(prop_oneof![
            (0..=10_000_u32).prop_map(|hundredths| f64::from(hundredths) / 100.0),
            proptest::num::f64::NORMAL | proptest::num::f64::ZERO | proptest::num::f64::NEGATIVE,
        ])
    };
    let numbers = [
        number(),
        number(),
        number(),
        number(),
        number(),
        number(),
        number(),
    ];
    let fractions = [fraction(), fraction(), fraction(), fraction()];
    (
        numbers,
        fractions,
        any::<Option<bool>>(),
        any::<Option<u32>>(),
    )
        .prop_map(|(numbers, fractions, on_battery, browser_processes)| {
            Body::Metrics(Metrics {
                ram_total: numbers[0],
                ram_used: numbers[1],
                ram_available: numbers[2],
                swap_total: numbers[3],
                swap_used: numbers[4],
                browser_rss: numbers[5],
                browser_pss: numbers[6],
                cpu: fractions[0],
                battery: fractions[1],
                psi_some_avg10: fractions[2],
                psi_full_avg10: fractions[3],
                on_battery,
                browser_processes,
            })
        })
}

proptest! {
    #[test]
    fn any_lines_come_back_as_they_were(
        bodies in vec(prop_oneof![4 => body(), 1 => sample()], 0..60)
    ) {
        let lines = lines(bodies);
        prop_assert_eq!(steps(pack(&lines)), expected(&lines));
    }

    /// A checksum that holds proves nothing about who made it.
    #[test]
    fn whatever_the_steps_are_they_are_read_to_an_end(
        bodies in vec(prop_oneof![4 => body(), 1 => sample()], 0..20),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        end in any::<prop::sample::Index>(),
    ) {
        let packed = with_steps(&pack(&lines(bodies)), |steps| {
            for (place, byte) in changes {
                if !steps.is_empty() {
                    let place = place.index(steps.len());
                    steps[place] = byte;
                }
            }
            steps.truncate(end.index(steps.len() + 1));
        });
        let read: Vec<_> = packed.steps().collect();
        prop_assert!(read.len() as u64 <= packed.byte_count());
        let first_error = read.iter().position(Result::is_err);
        prop_assert!(first_error.is_none_or(|place| place + 1 == read.len()));
    }

    #[test]
    fn a_replay_of_the_packed_trace_decides_the_same(bodies in vec(body(), 0..60)) {
        let lines = lines(bodies);
        let (mut of_log, mut of_packed) = (Replay::new(greedy()), Replay::new(greedy()));
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for step in steps(pack(&lines)) {
            of_packed.take_step(&step, &mut there);
        }
        for line in lines {
            of_log.take(&line, &mut here);
        }
        prop_assert_eq!(of_log.finish(&mut here), of_packed.finish(&mut there));
        prop_assert_eq!(here, there);
    }
}
