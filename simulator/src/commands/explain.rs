//! `sim explain`: what would happen to a tab, and why?

use std::ops::ControlFlow;

use anyhow::bail;
use engine::{Mode, Reason, SEMANTICS, TabId};
use recorder::Trace;
use serde::Serialize;
use simulator::biography::{
    Biography, Birth, IdUse, Outcome as PastOutcome, PastDecision, Search, Story,
};

use crate::args::ExplainArgs;
use crate::console::{Console, Safe, date, number, span};
use crate::outcome::Outcome;
use crate::reading::{Show, open, read, shown};

/// How many open tabs an error names.
const TABS_NAMED: usize = 12;

pub(crate) fn run(args: &ExplainArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let trace = open(&args.trace)?;
    let recorded = trace.header().engine;
    if recorded != SEMANTICS {
        console.note(format_args!(
            "version {recorded} of the engine decided in the trace; version {SEMANTICS} explains"
        ));
    }
    let birth = find(&trace, args.tab, console)?;
    let mut biography = Biography::new(birth, args.at);
    let end = read(&trace, Show::Progress, console, |line, _| {
        biography.take(line);
        Ok(ControlFlow::Continue(()))
    })?;
    let story = biography.finish();
    let Some(at) = story.at else {
        let last = end.lines.saturating_sub(1);
        bail!("there is no such line; the last one has the seq {last}");
    };
    let report = Report {
        trace: args.trace.display().to_string(),
        session: trace.header().session.to_string(),
        digest: end.digest,
        engine: SEMANTICS,
        asked: args.tab,
        story: &story,
    };
    if args.json {
        console.json(&report)?;
    } else {
        console.line(format_args!("{}, after seq {at}", shown(&args.trace)))?;
        write(&story, args.tab, console)?;
    }
    Ok(match story.explanation {
        Some(_) => Outcome::Yes,
        None => Outcome::No,
    })
}

/// Finds the tab that an id means. Only as much of the trace is read as that takes.
fn find(trace: &Trace, tab: TabId, console: &mut Console) -> anyhow::Result<Birth> {
    let mut search = Search::new(tab);
    let mut found = None;
    read(trace, Show::Progress, console, |line, _| {
        found = search.take(line);
        Ok(match found {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        })
    })?;
    let Some(birth) = found else {
        let open = search.open_tabs();
        let named: Vec<String> = open.iter().take(TABS_NAMED).map(TabId::to_string).collect();
        let more = if open.len() > TABS_NAMED { ", …" } else { "" };
        bail!(
            "there is no tab {tab} in {}; open at its end are {}{more}",
            trace.header().session,
            if named.is_empty() {
                "none".to_owned()
            } else {
                named.join(", ")
            },
        );
    };
    Ok(birth)
}

/// What is written as JSON.
#[derive(Serialize)]
struct Report<'a> {
    trace: String,
    session: String,
    digest: String,
    engine: u32,
    /// The id that was asked for, which may not be the tab's last.
    asked: TabId,
    #[serde(flatten)]
    story: &'a Story,
}

fn write(story: &Story, asked: TabId, console: &mut Console) -> anyhow::Result<()> {
    match &story.explanation {
        // Its text is the engine's, with names from the trace escaped.
        Some(explanation) => {
            if explanation.tab != asked {
                let present = explanation.tab;
                console.line(format_args!("tab {asked} is called {present} at this line"))?;
            }
            console.line(explanation)?;
        }
        None => console.line(format_args!("tab {asked}: not open at this line"))?,
    }
    console.line("")?;
    if story.ids.len() > 1 {
        console.line(format_args!("ids        {}", ids(story)))?;
    } else if let Some(first) = story.ids.front() {
        console.line(format_args!("opened     at seq {}", first.since))?;
    }
    if let Some(closed) = story.closed {
        console.line(format_args!("closed     at seq {closed}"))?;
    }
    let decided = story.decisions.len() as u64 + story.forgotten;
    console.line(format_args!(
        "decisions  {} in the whole trace",
        number(decided)
    ))?;
    if story.forgotten > 0 {
        console.line(format_args!(
            "  the first {} are left out",
            number(story.forgotten)
        ))?;
    }
    for past in &story.decisions {
        console.line(past_decision(past))?;
    }
    Ok(())
}

fn ids(story: &Story) -> String {
    let shown = |id: &IdUse| format!("{} from seq {}", id.tab, id.since);
    let ids: Vec<String> = story.ids.iter().map(shown).collect();
    ids.join(", ")
}

fn past_decision(past: &PastDecision) -> String {
    let PastDecision {
        seq,
        t_ms,
        decision,
        outcome,
    } = past;
    let reasons: Vec<String> = decision.reasons.iter().map(Reason::to_string).collect();
    let what = match (decision.mode, outcome) {
        (Mode::Observe, _) => "only noted".to_owned(),
        (Mode::Enforce, None) => "no outcome is known".to_owned(),
        (Mode::Enforce, Some(outcome)) => outcome_text(outcome),
    };
    format!(
        "  seq {seq}, {}: idle {} of {}, {} {}: {what}",
        date(*t_ms),
        span(decision.idle_ms),
        span(decision.ttl_ms),
        decision.level,
        reasons.join(" "),
    )
}

fn outcome_text(outcome: &PastOutcome) -> String {
    let what = if outcome.ok { "discarded" } else { "refused" };
    let why = match &outcome.why {
        Some(why) => format!(" ({})", Safe(why)),
        None => String::new(),
    };
    format!("{what} at seq {}{why}", outcome.seq)
}
