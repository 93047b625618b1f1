//! How fast people are made, in events a second: their lines alone, written as a trace, measured,
//! and beside them the same lines written one after another and nothing else.

#![expect(clippy::unwrap_used, reason = "in a bench a panic is the report")]

use std::fs::File;
use std::io::{BufWriter, Write as _};

use divan::Bencher;
use divan::counter::ItemsCount;
use recorder::{Body, Compression, Line, Source, TraceComposer};
use simulator::synth::generation::Generation;
use simulator::synth::profile::Population;
use tempfile::TempDir;

const MONDAY_MS: i64 = 1_767_571_200_000;
const DAY_MS: i64 = 86_400_000;

/// Samples of the machine at the profile's own pace, and so seldom that the person is nearly all.
const PACES_S: [f64; 2] = [5.0, 3_600.0];

fn main() {
    divan::main();
}

/// Four weeks of a typical person.
fn generation(sample_every_s: f64) -> Generation {
    let mut population = Population::named("typical").unwrap();
    population.members[0].profile.machine.sample_every_s = sample_every_s;
    Generation {
        population,
        seed: 0,
        from_ms: MONDAY_MS,
        until_ms: MONDAY_MS + 28 * DAY_MS,
    }
}

fn at_ms(t_ms: i64, body: &Body) -> Option<i64> {
    (body.source() == Some(Source::Ext)).then_some(t_ms)
}

fn compose(folder: &TempDir, generation: &Generation, compression: Compression) {
    let trace = folder.path().join("trace");
    let opening = generation.opening(0);
    let mut composer = TraceComposer::create(&trace, &opening, MONDAY_MS, compression).unwrap();
    for (t_ms, body) in generation.person(0) {
        composer.append(t_ms, at_ms(t_ms, &body), body).unwrap();
    }
    composer.finish(generation.until_ms).unwrap();
}

#[divan::bench(args = PACES_S, sample_count = 5)]
fn lines(bencher: Bencher<'_, '_>, sample_every_s: f64) {
    let generation = generation(sample_every_s);
    let events = generation.person(0).count();
    bencher
        .counter(ItemsCount::new(events))
        .bench(|| generation.person(0).map(divan::black_box).count());
}

#[divan::bench(args = PACES_S, sample_count = 5)]
fn measured(bencher: Bencher<'_, '_>, sample_every_s: f64) {
    let generation = generation(sample_every_s);
    let events = generation.person(0).count();
    bencher
        .counter(ItemsCount::new(events))
        .bench(|| generation.measure(0));
}

#[divan::bench(args = [Compression::Plain, Compression::Zstd], sample_count = 5)]
fn written(bencher: Bencher<'_, '_>, compression: Compression) {
    let generation = generation(5.0);
    let events = generation.person(0).count();
    bencher
        .counter(ItemsCount::new(events))
        .with_inputs(|| tempfile::tempdir().unwrap())
        .bench_local_refs(|folder| compose(folder, &generation, compression));
}

#[divan::bench(sample_count = 5)]
fn copied(bencher: Bencher<'_, '_>) {
    let generation = generation(5.0);
    let lines: Vec<Line> = generation
        .person(0)
        .zip(1_u64..)
        .map(|((t_ms, body), seq)| Line {
            seq: engine::Seq(seq),
            t_ms,
            src: body.source().unwrap(),
            n: at_ms(t_ms, &body).map(|_| seq),
            at_ms: at_ms(t_ms, &body),
            body,
        })
        .collect();
    bencher
        .counter(ItemsCount::new(lines.len()))
        .with_inputs(|| tempfile::tempdir().unwrap())
        .bench_local_refs(|folder| {
            let file = File::create(folder.path().join("copy"))?;
            let mut file = BufWriter::with_capacity(256 << 10, file);
            let mut buffer = Vec::new();
            for line in &lines {
                buffer.clear();
                line.write(&mut buffer);
                file.write_all(&buffer)?;
            }
            file.flush()
        });
}
