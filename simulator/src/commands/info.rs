//! `sim info`: what is in a trace?

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table, presets};
use engine::Mode;
use recorder::{Origin, Privacy, Trace};
use serde::Serialize;
use simulator::contents::{Changes, Contents, Gaps, Range, Survey};

use super::each_trace;
use crate::console::{Console, Safe, bytes, count, date, number, span};
use crate::named_traces::named_traces;
use crate::outcome::Outcome;
use crate::reading::{Ending, Show, read, shown};

/// Show what is in a trace
///
/// Tells who wrote it and when, what happened in it by type, how many tabs and windows were open,
/// the pressure on the machine, readings of memory, what was decided and discarded, where the
/// recording has holes, which policies were in force, and whether it is whole.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim info traces/recorded/enforce
  sim info --json traces/recorded/enforce | jq .pressure")]
pub(crate) struct InfoArgs {
    /// Traces to describe: folders or segments
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    /// Write one JSON object for each trace
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &InfoArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let mut is_first = true;
    each_trace(
        named_traces(&args.traces, console),
        console,
        |path, trace, console| {
            if !args.json && !std::mem::take(&mut is_first) {
                console.line("")?;
            }
            info(path, &trace?, args.json, console)
        },
    )
}

/// What is written as JSON.
#[derive(Serialize)]
struct Report<'a> {
    trace: String,
    segments: usize,
    #[serde(flatten)]
    contents: &'a Contents,
    end: &'a Ending,
}

fn info(path: &Path, trace: &Trace, json: bool, console: &mut Console) -> anyhow::Result<Outcome> {
    let mut survey = Survey::new();
    let end = read(trace, Show::Progress, console, |line, _| {
        survey.take(line);
        Ok(ControlFlow::Continue(()))
    })?;
    let report = Report {
        trace: path.display().to_string(),
        segments: trace.segments().len(),
        contents: &survey.finish(),
        end: &end,
    };
    if json {
        console.json(&report)?;
    } else {
        console.line(format_args!("{}", shown(path)))?;
        write_table(&facts(&report), console)?;
        console.line("")?;
        write_table(&types(report.contents), console)?;
    }
    Ok(Outcome::Yes)
}

/// A table without lines, for rows of two columns and more.
fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// Writes a table without the blanks that fill its last column.
fn write_table(table: &Table, console: &mut Console) -> anyhow::Result<()> {
    table
        .lines()
        .try_for_each(|line| console.line(line.trim_end()))
}

/// A label and what it stands beside.
type Row = (&'static str, String);

fn facts(report: &Report<'_>) -> Table {
    let Report { contents, .. } = report;
    let rows = [
        provenance(contents),
        use_of_the_browser(contents),
        pressure_and_memory(contents),
        decisions(contents),
        whole(report),
    ];
    let mut table = table();
    for (label, text) in rows.into_iter().flatten() {
        table.add_row(vec![label.to_owned(), text]);
    }
    table
}

fn provenance(contents: &Contents) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(header) = &contents.header {
        let session = format!("{}, {}", header.session, origin(header.origin));
        let writer = format!(
            "host {} on {}, engine {}, {}",
            Safe(&header.host_version),
            Safe(&header.platform),
            header.engine,
            privacy(header.privacy),
        );
        rows.extend([("session", session), ("written by", writer)]);
    }
    let or_unknown = |text: &Option<String>| match text {
        Some(text) => Safe(text).to_string(),
        None => "unknown".to_owned(),
    };
    let browser = &contents.browser;
    let idleness = if browser.tells_idleness {
        "told"
    } else {
        "not told"
    };
    rows.push((
        "browser",
        format!(
            "{} {}, extension {}, idleness {idleness}",
            or_unknown(&browser.name),
            or_unknown(&browser.version),
            or_unknown(&browser.extension_version),
        ),
    ));
    rows
}

fn use_of_the_browser(contents: &Contents) -> Vec<Row> {
    let Contents {
        span: time, tabs, ..
    } = contents;
    let mut rows = Vec::new();
    if let Some(from) = time.from_ms {
        let to = date(from.saturating_add(time.wall_ms));
        rows.push(("from, to", format!("{}, {to} UTC", date(from))));
    }
    let time = format!(
        "{}, awake {}, the user there {}",
        span(time.wall_ms),
        span(time.awake_ms),
        span(time.active_ms),
    );
    let windows = format!("{} at most", number(tabs.most_windows as u64));
    let tabs = format!(
        "{} at most, {} in all, on {}",
        number(tabs.most_open as u64),
        number(tabs.seen),
        count(tabs.hosts as u64, "host"),
    );
    rows.extend([("time", time), ("tabs", tabs), ("windows", windows)]);
    rows
}

/// Under what policies it was recorded, and whether all of it is there.
fn whole(report: &Report<'_>) -> Vec<Row> {
    let Report { contents, end, .. } = report;
    let policies = changes(&contents.policies, |policy| {
        format!("{} from seq {}", Safe(&policy.policy_hash), policy.seq)
    });
    let integrity = format!(
        "{}, {} of them sealed, {}, digest {}",
        count(report.segments as u64, "segment"),
        number(contents.sealed_segments),
        count(contents.checkpoints, "checkpoint"),
        end.digest,
    );
    vec![
        ("policies", policies),
        ("modes", modes(contents)),
        ("holes", holes(&contents.gaps)),
        ("integrity", integrity),
        ("end", ending(end)),
        ("anomalies", number(contents.anomalies)),
    ]
}

fn pressure_and_memory(contents: &Contents) -> Vec<Row> {
    let Contents {
        pressure, memory, ..
    } = contents;
    let range = |range: Range| match (bytes(range.min), bytes(range.max)) {
        (min, max) if min == max => max,
        (min, max) => format!("{min} to {max}"),
    };
    let score = pressure.score.map_or("no samples".to_owned(), |score| {
        format!(
            "score {} to {}, median {}, in {}",
            score.min,
            score.max,
            score.median,
            count(pressure.samples, "sample"),
        )
    });
    let mut rows = vec![
        ("pressure", score),
        (
            "",
            format!(
                "LOW {}, MEDIUM {}, HIGH {}",
                span(pressure.low_ms),
                span(pressure.medium_ms),
                span(pressure.high_ms),
            ),
        ),
    ];
    if let Some(used) = memory.ram_used {
        let total = memory
            .ram_total
            .map_or(String::new(), |total| format!(" of {}", bytes(total)));
        rows.push(("memory", format!("{}{total} in use", range(used))));
    }
    if let Some(swap) = memory.swap_used {
        rows.push(("swap", format!("{} in use", range(swap))));
    }
    if let Some(pss) = memory.browser_pss {
        rows.push(("of browser", format!("{} (PSS)", range(pss))));
    }
    rows
}

fn decisions(contents: &Contents) -> Vec<Row> {
    let Contents {
        decisions,
        discards,
        ..
    } = contents;
    let mut rows = vec![(
        "decisions",
        format!(
            "{} only noted, {} to be carried out: {} carried out, {} refused",
            number(decisions.observe),
            number(decisions.enforce),
            number(decisions.succeeded),
            number(decisions.refused),
        ),
    )];
    if !decisions.by_reason.is_empty() {
        let reasons = decisions.by_reason.iter();
        let reasons: Vec<String> = reasons
            .map(|(reason, count)| format!("{reason} {}", number(*count)))
            .collect();
        rows.push(("", reasons.join(", ")));
    }
    rows.push((
        "discards",
        format!(
            "{} by the orchestrator, {} by others, {}",
            number(discards.by_orchestrator),
            number(discards.by_other),
            count(discards.restores, "restore"),
        ),
    ));
    rows
}

fn modes(contents: &Contents) -> String {
    if contents.modes.count == 0 {
        return "observe".to_owned();
    }
    let name = |mode| match mode {
        Mode::Observe => "observe",
        Mode::Enforce => "enforce",
    };
    changes(&contents.modes, |used| {
        format!("{} from seq {}", name(used.mode), used.seq)
    })
}

fn changes<T>(changes: &Changes<T>, show: impl Fn(&T) -> String) -> String {
    const SHOWN: usize = 4;
    let mut texts: Vec<String> = changes.first.iter().take(SHOWN).map(show).collect();
    let left = changes.count - texts.len() as u64;
    if left > 0 {
        texts.push(format!("{} more", number(left)));
    }
    if texts.is_empty() {
        texts.push("none told".to_owned());
    }
    texts.join(", ")
}

fn holes(gaps: &Gaps) -> String {
    let restarts = gaps.host_restarts + gaps.worker_restarts;
    let holes = [
        (restarts, count(restarts, "restart")),
        (
            gaps.torn_bytes,
            format!("{} torn off", bytes(gaps.torn_bytes)),
        ),
        (
            gaps.sleeps,
            format!(
                "asleep {} times, {} in all",
                number(gaps.sleeps),
                span_of(gaps.slept_ms)
            ),
        ),
        (
            gaps.clock_steps,
            format!("clock set {} times", number(gaps.clock_steps)),
        ),
        (
            gaps.losses,
            format!("{} lost", count(gaps.lost_events, "event")),
        ),
    ];
    let told: Vec<String> = holes
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(_, text)| text)
        .collect();
    if told.is_empty() {
        "none".to_owned()
    } else {
        told.join(", ")
    }
}

fn span_of(ms: u64) -> impl fmt::Display {
    span(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn ending(end: &Ending) -> String {
    let mut facts = vec![
        if end.is_sealed {
            "sealed"
        } else {
            "not sealed"
        }
        .to_owned(),
    ];
    if end.torn_bytes > 0 {
        facts.push(format!("a torn tail of {}", count(end.torn_bytes, "byte")));
    }
    if end.superseded_bytes > 0 {
        facts.push(format!(
            "{} written anew after a failed sync",
            bytes(end.superseded_bytes)
        ));
    }
    if let Some(segment) = end.missing_segment {
        facts.push(format!("segment {segment} is missing"));
    }
    facts.join(", ")
}

fn types(contents: &Contents) -> Table {
    let mut table = table();
    table.set_header(vec!["lines", "src", "type"]);
    table.add_row(vec![number(contents.lines), String::new(), String::new()]);
    for row in &contents.types {
        let count = number(row.count);
        table.add_row(vec![
            count,
            row.src.to_string(),
            Safe(&row.type_name).to_string(),
        ]);
    }
    if let Some(column) = table.column_mut(0) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Recorded => "recorded live",
        Origin::Synthetic => "synthetic",
        Origin::Imported => "imported",
        Origin::Derived => "derived from another",
    }
}

fn privacy(privacy: Privacy) -> &'static str {
    match privacy {
        Privacy::Hostname => "hosts by name",
        Privacy::Site => "hosts by site",
        Privacy::KeyedHash => "hosts as hashes",
    }
}
