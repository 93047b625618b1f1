//! `sim recover`: what a damaged trace still holds.

use std::path::PathBuf;

use recorder::{FORMAT_NAME, FORMAT_VERSION, Found, LogOpened, Origin, Privacy, Salvage};
use serde::Serialize;
use simulator::derivation::{Piece, opening};
use simulator::recover::{Account, Recovery};

use crate::args::output::{OptionalOutputArgs, OutputArgs};
use crate::console::{Console, Safe, bytes, count, number};
use crate::outcome::Outcome;
use crate::reading::{LINES_A_TICK, Progress, Show, shown};
use crate::writing::{self, NewTrace, Written};

/// Save what a damaged trace still holds
///
/// Reads on past damage, keeps each line that still is one and goes on from those around it, and
/// counts exactly what is lost: lines by their seqs, bytes that are no lines, ends of files. With
/// --output it writes what is kept as a trace; where lines are missing, a «dropped» says how many.
/// The damaged files are not touched. Exits with 3 where anything is lost, with 0 where nothing is.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim recover damaged
  sim recover damaged --output recovered")]
pub(crate) struct RecoverArgs {
    /// The trace: a folder or a segment
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    #[command(flatten)]
    pub(crate) output: OptionalOutputArgs,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What is written as JSON.
#[derive(Serialize)]
struct Report<'a> {
    trace: String,
    is_whole: bool,
    #[serde(flatten)]
    account: &'a Account,
    written: Option<&'a Written>,
}

pub(crate) fn run(args: &RecoverArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let salvage = Salvage::open(&args.trace)?;
    let output = args.output.given();
    let progress = Progress::of(salvage.files(), Show::Progress);
    let header = salvage.header().cloned().unwrap_or_else(unknown_header);
    let mut recovery = Recovery::default();
    let mut pieces = Vec::new();
    let mut made = None;
    let mut reader = salvage.read();
    let mut found_count: u64 = 0;
    while let Some(found) = reader.next() {
        let found: Found = found?;
        found_count += 1;
        if found_count.is_multiple_of(LINES_A_TICK)
            && let Some((file, byte)) = reader.position()
        {
            progress.show(file, byte);
        }
        recovery.take(found, &mut pieces);
        write(output.as_ref(), &header, &mut pieces, &mut made)?;
    }
    let account = recovery.finish(reader.vouched(), &mut pieces);
    write(output.as_ref(), &header, &mut pieces, &mut made)?;
    progress.finish();
    let written = made.map(NewTrace::finish).transpose()?;
    if args.json {
        console.json(&Report {
            trace: args.trace.display().to_string(),
            is_whole: account.is_whole(),
            account: &account,
            written: written.as_ref(),
        })?;
    } else {
        console.line(format_args!(
            "{}: {}",
            shown(&args.trace),
            if account.is_whole() {
                "nothing is lost"
            } else {
                "something is lost"
            }
        ))?;
        tell(&account, console)?;
        if let Some(written) = &written {
            writing::tell(written, false, console)?;
        }
    }
    Ok(if account.is_whole() {
        Outcome::Yes
    } else {
        Outcome::Damaged
    })
}

fn write(
    output: Option<&OutputArgs>,
    header: &LogOpened,
    pieces: &mut Vec<Piece>,
    made: &mut Option<NewTrace>,
) -> anyhow::Result<()> {
    let Some(output) = output else {
        pieces.clear();
        return Ok(());
    };
    for piece in pieces.drain(..) {
        let made = match &mut *made {
            Some(made) => made,
            made @ None => made.insert(NewTrace::begin(
                output,
                &opening(header, piece.t_ms, "recovered"),
                piece.t_ms,
            )?),
        };
        made.append(piece)?;
    }
    Ok(())
}

fn tell(account: &Account, console: &mut Console) -> anyhow::Result<()> {
    let checkpoints = account.checkpoints;
    console.line(format_args!(
        "  {} kept, {} of them vouched for by checkpoints",
        count(account.lines_kept, "line"),
        number(checkpoints.lines.min(account.lines_kept)),
    ))?;
    let losses = [
        (
            account.lines_missing,
            "line",
            "missing, by the seqs of the others",
        ),
        (account.lines_damaged, "line", "damaged"),
        (
            account.lines_damaged_at_end,
            "line",
            "of them after the last that is kept",
        ),
        (
            account.broken_ends,
            "end",
            "of a file without a whole line, or that cannot be read",
        ),
        (account.lines_doubled, "line", "there twice, kept once"),
        (
            checkpoints.mismatches,
            "sum",
            "of a checkpoint or seal that does not match what stands before it",
        ),
    ];
    for (of, noun, what) in losses {
        if of > 0 {
            console.line(format_args!("  {} {what}", count(of, noun)))?;
        }
    }
    if account.bytes_damaged > 0 {
        console.line(format_args!("  {} damaged", bytes(account.bytes_damaged)))?;
    }
    if let Some(segment) = account.missing_segment {
        console.line(format_args!(
            "  segment {segment} and what follows is missing"
        ))?;
    }
    if !account.is_sealed {
        console.line("  no seal at the end: what came after it, if anything, cannot be known")?;
    }
    for place in &account.places {
        let at = match (&place.file, place.line, place.byte) {
            (Some(file), Some(line), Some(byte)) => format!("{file}, line {line} (byte {byte})"),
            _ => format!("at seq {}", place.seq),
        };
        console.line(format_args!("    {}: {}", Safe(&at), Safe(&place.what)))?;
    }
    Ok(())
}

/// What is said of a trace whose first lines are all lost.
fn unknown_header() -> LogOpened {
    LogOpened {
        format: FORMAT_NAME.to_owned(),
        v: FORMAT_VERSION,
        engine: engine::SEMANTICS,
        session: <_>::default(),
        extension_session: None,
        segment: 0,
        replaces_from: None,
        host_version: "unknown".to_owned(),
        platform: "unknown".to_owned(),
        privacy: Privacy::Hostname,
        origin: Origin::Derived,
        generator: None,
        seed: None,
        importer: None,
        derived_from: None,
    }
}
