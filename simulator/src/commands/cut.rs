//! `sim cut`: a piece of a trace, as a trace of its own.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use anyhow::bail;
use engine::TabId;
use recorder::Body;
use simulator::cut::{Cut, Selection, every_id_of};
use simulator::derivation::opening;
use simulator::identifiers::{Named, renumber};

use crate::args::CutArgs;
use crate::console::Console;
use crate::outcome::Outcome;
use crate::reading::{Show, open, read, shown};
use crate::writing;

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
    let mut derivation = None;
    let mut pieces = Vec::new();
    read(&trace, Show::Progress, console, |line, _| {
        let flow = cut.take(line.clone(), &mut pieces);
        for piece in pieces.drain(..) {
            let derivation = match &mut derivation {
                Some(derivation) => derivation,
                none => none.insert(writing::create(
                    &args.output.output,
                    args.output.compress,
                    &opening(trace.header(), piece.t_ms, &how),
                    piece.t_ms,
                )?),
            };
            derivation.append(piece)?;
        }
        Ok(flow)
    })?;
    let Some(derivation) = derivation else {
        bail!(
            "{}: no line of it is selected; «sim info» tells its times and how many lines it has",
            shown(&args.trace)
        );
    };
    let written = writing::finish(derivation)?;
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
