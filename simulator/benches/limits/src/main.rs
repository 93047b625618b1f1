//! How fast everything is, beside what it is compared with; and how many instructions it takes.
//!
//! `limits time PLAIN ZSTD ROUNDS` measures over a trace, which is there plain and compressed, and
//! writes one JSON object: for each subject the median of its rounds in nanoseconds an event, and
//! the share of lines that are not in the canonical form. What
//! is compared runs in turn, round after round, so that what else the machine does falls on all
//! alike. `limits count SUBJECT [TRACE]` does something once, for an instrument that counts: what it does
//! within `counts::counted` is what counts. `limits decode TRACE` packs a trace once, as a program to be
//! run in turn with another. `cargo xtask bench` and `cargo xtask instructions` run it.

mod counts;
mod decode;
mod imports;
mod replays;
#[path = "../../../../engine/benches/session/mod.rs"]
mod session;
mod steps;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, bail};
use recorder::Trace;

/// What is measured: its name, and how many events it goes through.
struct Subject<'a> {
    name: &'static str,
    events: u64,
    run: Box<dyn FnMut() + 'a>,
}

impl<'a> Subject<'a> {
    fn new(name: &'static str, events: u64, run: impl FnMut() + 'a) -> Self {
        Self {
            name,
            events,
            run: Box::new(run),
        }
    }
}

/// Takes what was made, so that it has to be made.
fn sink<T>(made: T) {
    black_box(made);
}

/// Nanoseconds an event, by subject; and the share of lines that only the general path reads.
type Figures = BTreeMap<&'static str, f64>;

/// Runs the subjects in turn, so many times each after one that does not count.
fn measure(rounds: usize, mut subjects: Vec<Subject<'_>>, figures: &mut Figures) {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); subjects.len()];
    for round in 0..=rounds {
        for (subject, times) in subjects.iter_mut().zip(&mut times) {
            let start = Instant::now();
            (subject.run)();
            let elapsed = start.elapsed();
            if round > 0 {
                times.push(elapsed.as_secs_f64() * 1e9 / subject.events as f64);
            }
        }
    }
    for (subject, mut times) in subjects.into_iter().zip(times) {
        times.sort_by(f64::total_cmp);
        figures.insert(subject.name, times[times.len() / 2]);
    }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["time", plain, zstd, rounds] => {
            let rounds = rounds.parse().context("ROUNDS is a number")?;
            let (plain, zstd) = (Trace::open(plain)?, Trace::open(zstd)?);
            let mut figures = Figures::new();
            decode::measure(rounds, &plain, &zstd, &mut figures)?;
            replays::measure(rounds, &plain, &mut figures)?;
            steps::measure(rounds, &mut figures);
            let mut out = std::io::stdout().lock();
            writeln!(out, "{}", serde_json::to_string_pretty(&figures)?)?;
            Ok(())
        }
        ["decode", trace] => {
            sink(decode::pack(Trace::open(trace)?.read_ahead())?);
            Ok(())
        }
        ["count", subject] => counts::run(subject, None),
        ["count", subject, trace] => counts::run(subject, Some(trace)),
        _ => bail!(
            "limits time PLAIN ZSTD ROUNDS, limits decode TRACE, or limits count SUBJECT [TRACE]"
        ),
    }
}
