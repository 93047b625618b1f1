//! Visits of a table on their way to the lines of a trace.

use std::io::{BufWriter, Write as _};

use engine::Seq;
use recorder::{Body, Line, Source};
use simulator::import::visits::{self, Layout, Place, TimeUnit};
use simulator::import::{Dates, Rules, Staging, weave};
use tempfile::NamedTempFile;

use crate::sink;

const ROWS: i64 = 20_000;

/// 2026-01-01.
const BEGIN_MS: i64 = 1_767_225_600_000;

/// A table: two visits of three go to a few hosts, the third to one of many.
pub(crate) fn table() -> anyhow::Result<NamedTempFile> {
    let file = NamedTempFile::new()?;
    let mut out = BufWriter::new(&file);
    writeln!(out, "who,when,where")?;
    for row in 0..ROWS {
        let spread = row * 2_654_435_761 % 4_093;
        let host = if row % 3 == 0 { spread } else { spread % 13 };
        writeln!(out, "one,{},www.h{host}.example", BEGIN_MS + 20_000 * row)?;
    }
    out.flush()?;
    drop(out);
    Ok(file)
}

/// Reads a table, and writes all that it tells of to memory, line by line.
pub(crate) fn run(table: &NamedTempFile) -> anyhow::Result<()> {
    let layout = Layout {
        user: "who".to_owned(),
        time: "when".to_owned(),
        place: Place::Host("where".to_owned()),
        page: None,
        unit: TimeUnit::Milliseconds,
        delimiter: b',',
    };
    let dates = Dates::until(BEGIN_MS + 20_000 * ROWS);
    let mut staging = Staging::new()?;
    let source = visits::read(table.path(), &layout, dates, &mut staging, &mut |_, _| {})?;
    let mut staged = staging.sorted()?;
    let mut text = Vec::new();
    let mut seq = 0;
    let mut tell = |t_ms: i64, body: Body| {
        text.clear();
        let line = Line {
            seq: Seq(seq),
            t_ms,
            src: Source::Ext,
            n: Some(seq + 1),
            at_ms: Some(t_ms),
            body,
        };
        line.write(&mut text);
        seq += 1;
        sink(&text);
        Ok(())
    };
    for person in staged.people().to_vec() {
        let (rules, progress) = (Rules::default(), &mut |_, _| {});
        weave(&mut staged, &person, &source, rules, progress, &mut tell)?;
    }
    Ok(())
}
