//! What composing a trace costs beside a plain buffered copy of the same bytes.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use divan::Bencher;
use divan::counter::BytesCount;
use engine::{TabId, WindowId};
use recorder::{
    Body, Compression, Line, Opening, Origin, Privacy, Source, TabActivated, Trace, TraceComposer,
    session_made_from,
};

const START_MS: i64 = 1_767_323_045_000;
const LINES: i64 = 200_000;

fn main() {
    divan::main();
}

fn compose(folder: &Path, compression: Compression) -> u64 {
    let opening = Opening {
        session: session_made_from(START_MS, b"a bench"),
        extension_session: None,
        engine: 1,
        host_version: "0.1.0".to_owned(),
        platform: "linux-x86_64".to_owned(),
        privacy: Privacy::Hostname,
        origin: Origin::Synthetic,
        generator: None,
        seed: None,
        importer: None,
        derived_from: None,
    };
    let written =
        TraceComposer::create(folder, &opening, START_MS, compression).and_then(|mut composer| {
            for n in 0..LINES {
                let body = Body::TabActivated(TabActivated {
                    tab: TabId(n % 50),
                    win: WindowId(1),
                });
                composer.append(START_MS + n, Some(START_MS + n), body)?;
            }
            composer.finish(START_MS + LINES)
        });
    let composed = written.unwrap_or_else(|error| panic!("{error}"));
    bytes_in(&composed.folder)
}

fn bytes_in(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter_map(|file| file.metadata().ok())
        .map(|file| file.len())
        .sum()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"))
}

#[divan::bench(args = [Compression::Plain, Compression::Zstd], sample_count = 5)]
fn composed(bencher: Bencher<'_, '_>, compression: Compression) {
    let sample = folder();
    let bytes = compose(&sample.path().join("trace"), Compression::Plain);
    bencher
        .counter(BytesCount::new(bytes))
        .with_inputs(folder)
        .bench_local_refs(|folder| compose(&folder.path().join("trace"), compression));
}

/// The same lines, written one after another and nothing else.
#[divan::bench(sample_count = 5)]
fn copied(bencher: Bencher<'_, '_>) {
    let sample = folder();
    let trace = sample.path().join("trace");
    let bytes = compose(&trace, Compression::Plain);
    let trace = Trace::open(&trace).unwrap_or_else(|error| panic!("{error}"));
    let lines: Vec<Line> = trace.read().flatten().collect();
    assert!(lines.iter().any(|line| line.src == Source::Ext));
    bencher
        .counter(BytesCount::new(bytes))
        .with_inputs(folder)
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
