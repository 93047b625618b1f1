//! `sim cut`: a piece of a trace, as a trace of its own.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::bail;
use engine::{Seq, TabId};
use recorder::Body;
use simulator::cut::{Cut, Selection, every_id_of};
use simulator::derivation::opening;
use simulator::identifiers::{Named, renumber};

use crate::args::output::OutputArgs;
use crate::args::time::parse_time;
use crate::console::Console;
use crate::outcome::Outcome;
use crate::reading::{Show, open, read, shown};
use crate::writing::{self, NewTrace};

/// Cut a piece out of a trace, as a trace of its own
///
/// A cut that begins in the middle begins with what was the case there: the policy and the mode in
/// force, what was known of the hosts, everything open, the last sample of the machine. A cut by
/// tabs keeps what happened to them under any id they had, and all of windows, user and machine;
/// where another tab takes the front from them, a snapshot says so. Decisions whose input, and
/// outcomes whose decision is not in the piece are left out.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim cut traces/recorded/long --from-seq 500 --to-seq 900 --output piece
  sim cut traces/recorded/long --from 2026-11-30T08:30:00Z --output later
  sim cut traces/recorded/long --tab 1782797111 --tab 1782797126 --output two-tabs")]
pub(crate) struct CutArgs {
    /// The trace: a folder or a segment
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// Begin with this line
    #[arg(long, value_name = "SEQ")]
    pub(crate) from_seq: Option<Seq>,
    /// End with this line
    #[arg(long, value_name = "SEQ")]
    pub(crate) to_seq: Option<Seq>,
    /// Begin at this time: 2026-01-02T03:04:05Z, or Unix milliseconds
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) from: Option<i64>,
    /// End at this time
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) to: Option<i64>,
    /// Keep this tab alone, by any id it ever had; may be given several times
    #[arg(long = "tab", value_name = "ID", allow_negative_numbers = true)]
    pub(crate) tabs: Vec<TabId>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Write one JSON object about what was written
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: CutArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let how = description(&args);
    let trace = open(&args.trace)?;
    let tabs = if args.tabs.is_empty() {
        None
    } else {
        let tabs = BTreeSet::from_iter(args.tabs);
        let mut unseen = tabs.clone();
        let mut renames = Vec::new();
        read(&trace, Show::Progress, console, |line, _| {
            if let Body::TabReplaced(it) = &line.body {
                renames.push((it.old, it.tab));
            }
            renumber(&mut line.body.clone(), &mut |named, id| {
                if named == Named::Tab {
                    unseen.remove(&TabId(id));
                }
                id
            });
            Ok(ControlFlow::Continue(()))
        })?;
        if let Some(tab) = unseen.first() {
            bail!(
                "{}: there is no tab {tab} in it; «sim info» tells what is in it",
                shown(&args.trace)
            );
        }
        Some(every_id_of(&tabs, &renames))
    };
    let mut cut = Cut::new(Selection {
        from_seq: args.from_seq,
        to_seq: args.to_seq,
        from_ms: args.from,
        to_ms: args.to,
        tabs,
    });
    let mut made = None;
    let mut pieces = Vec::new();
    read(&trace, Show::Progress, console, |line, _| {
        let flow = cut.take(line.clone(), &mut pieces);
        for piece in pieces.drain(..) {
            let made = match &mut made {
                Some(made) => made,
                none => none.insert(NewTrace::begin(
                    &args.output,
                    &opening(trace.header(), piece.t_ms, &how),
                    piece.t_ms,
                )?),
            };
            made.append(piece)?;
        }
        Ok(flow)
    })?;
    let Some(made) = made else {
        bail!(
            "{}: no line of it is selected; «sim info» tells its times and how many lines it has",
            shown(&args.trace)
        );
    };
    let written = made.finish()?;
    writing::tell(&written, args.json, console)?;
    Ok(Outcome::Yes)
}

/// Says what was cut out, for the new trace's first line.
fn description(args: &CutArgs) -> String {
    let mut text = "cut".to_owned();
    let ends = [
        ("from seq", args.from_seq.map(|seq| seq.to_string())),
        ("to seq", args.to_seq.map(|seq| seq.to_string())),
        ("from", args.from.map(|t_ms| t_ms.to_string())),
        ("to", args.to.map(|t_ms| t_ms.to_string())),
    ];
    for (name, value) in ends {
        if let Some(value) = value {
            text += &format!(" {name} {value}");
        }
    }
    for tab in &args.tabs {
        text += &format!(" tab {tab}");
    }
    text
}
