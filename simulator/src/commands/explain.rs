//! `sim explain`: what would happen to a tab, and why?

use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::bail;
use engine::{Explanation, Mode, PolicyDocument, Reason, SEMANTICS, Seq, TabId};
use recorder::Trace;
use serde::Serialize;
use simulator::alternative::{Absence, Alternative, Foreseen, Stand};
use simulator::biography::{
    Biography, Birth, IdUse, Outcome as PastOutcome, PastDecision, Search, Story,
};
use simulator::remedy::{Obstacle, Remedy};
use simulator::replay::{Clairvoyance, HoldEnd};
use simulator::state::PolicyLabel;

use crate::console::{Console, Safe, count, date, number, span};
use crate::outcome::Outcome;
use crate::policy;
use crate::reading::{Show, open, read, shown};

/// Explain what would happen to a tab, and why
///
/// Gives the engine's own explanation of a tab after a line of the trace, under the recorded
/// policy, which single settings would have led to another answer, and what was decided on it in the
/// whole trace; on demand also what another policy would have made of it, and what a clairvoyant. A
/// discarded tab gets another id; any of its ids names it. Exits with 1 where the tab was not open
/// at that line.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim explain traces/recorded/enforce --tab 2013157484
  sim explain traces/recorded/enforce --tab 2013157484 --at 191 --json
  sim explain traces/recorded/enforce --tab 2013157484 --at 191 --policy gentle --clairvoyant")]
pub(crate) struct ExplainArgs {
    /// The trace: a folder or a segment
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,
    /// The tab, by any id it ever had
    #[arg(long, value_name = "ID", allow_negative_numbers = true)]
    pub(crate) tab: TabId,
    /// The line after which to explain it, by its seq [default: the last]
    #[arg(long, value_name = "SEQ")]
    pub(crate) at: Option<Seq>,
    /// Say what this policy would have made of it: a preset, a baseline or a file
    #[arg(short, long, value_name = "FILE|NAME")]
    pub(crate) policy: Option<String>,
    /// What the policy «random» draws from
    #[arg(long, value_name = "N", default_value_t = 0, requires = "policy")]
    pub(crate) seed: u64,
    /// Say what somebody would have done who knew how the trace goes on
    #[arg(long)]
    pub(crate) clairvoyant: bool,
    /// Write one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// How many open tabs an error names.
const TABS_NAMED: usize = 12;

pub(crate) fn run(args: &ExplainArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let named = match &args.policy {
        Some(name) => Some(policy::find(name, args.seed)?),
        None => None,
    };
    let trace = open(&args.trace)?;
    let recorded = trace.header().engine;
    if recorded != SEMANTICS {
        console.note(format_args!(
            "version {recorded} of the engine decided in the trace; version {SEMANTICS} explains"
        ));
    }
    let birth = find(&trace, args.tab, console)?;
    let mut biography = Biography::new(birth, args.at);
    let mut alternative = (named.as_ref()).map(|named| Alternative::new(named.replay(), args.at));
    let mut clairvoyance = args.clairvoyant.then(|| {
        let named = named.as_ref().map(|named| named.protected_domains.clone());
        let default = || PolicyDocument::default().protected_domains.clone();
        Clairvoyance::new(&named.unwrap_or_else(default))
    });
    let end = read(&trace, Show::Progress, console, |line, _| {
        biography.take(line);
        if let Some(clairvoyance) = &mut clairvoyance {
            clairvoyance.take(line);
        }
        if let Some(alternative) = &mut alternative {
            alternative.take(line, biography.present());
        }
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
        alternative: named.as_ref().map(|named| AlternativeReport {
            policy: named.label(),
            stand: alternative.and_then(|alternative| alternative.finish(&story)),
        }),
        clairvoyant: clairvoyance.map(|clairvoyance| Foreseen::of(&clairvoyance.finish(), &story)),
    };
    if args.json {
        console.json(&report)?;
    } else {
        console.line(format_args!("{}, after seq {at}", shown(&args.trace)))?;
        write(&report, console)?;
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
    /// What another policy would have made of it. Absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    alternative: Option<AlternativeReport>,
    /// What a clairvoyant would have done. Absent unless asked for, null where there is no time in
    /// which the tab could have been gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    clairvoyant: Option<Option<Foreseen>>,
}

#[derive(Serialize)]
struct AlternativeReport {
    policy: PolicyLabel,
    /// Null where the tab is not open at the line.
    stand: Option<Stand>,
}

fn write(report: &Report<'_>, console: &mut Console) -> anyhow::Result<()> {
    let &Report { story, asked, .. } = report;
    match &story.explanation {
        // Its text is the engine's, with names from the trace escaped.
        Some(explanation) => {
            if explanation.tab != asked {
                let present = explanation.tab;
                console.line(format_args!("tab {asked} is called {present} at this line"))?;
            }
            console.line(explanation)?;
            write_remedies(explanation, &story.remedies, "", console)?;
        }
        None => console.line(format_args!("tab {asked}: not open at this line"))?,
    }
    if let Some(alternative) = &report.alternative {
        console.line("")?;
        write_alternative(alternative, console)?;
    }
    if let Some(foreseen) = &report.clairvoyant {
        console.line("")?;
        write_foreseen(foreseen.as_ref(), story.explanation.is_some(), console)?;
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

/// Writes which settings would have led to another answer, by what they change.
fn write_remedies(
    explanation: &Explanation,
    remedies: &[Remedy],
    indent: &str,
    console: &mut Console,
) -> anyhow::Result<()> {
    for obstacle in Obstacle::of(explanation) {
        let mut of_it = remedies.iter().filter(|remedy| remedy.lifts == obstacle);
        let Some(first) = of_it.next() else {
            console.line(format_args!("{indent}  settings   none {obstacle}"))?;
            continue;
        };
        console.line(format_args!(
            "{indent}  settings   any of these {obstacle}:"
        ))?;
        for remedy in std::iter::once(first).chain(of_it) {
            let text = remedy.to_string();
            console.line(format_args!("{indent}               {}", Safe(&text)))?;
        }
    }
    Ok(())
}

fn write_alternative(report: &AlternativeReport, console: &mut Console) -> anyhow::Result<()> {
    let label = "policy";
    let policy = Safe(&report.policy.name);
    let Some(stand) = &report.stand else {
        return console.line(format_args!("{label:<9}  {policy}: not open at this line"));
    };
    let what = match (stand.held_since, stand.decides) {
        (Some(since), _) => format!(
            "holds it discarded, as decided at seq {}, {}",
            since.seq,
            date(since.t_ms)
        ),
        (None, true) => "decides at this line to discard it".to_owned(),
        (None, false) => "leaves it loaded at this line".to_owned(),
    };
    console.line(format_args!("{label:<9}  {policy} {what}"))?;
    let is_held = stand.held_since.is_some() || stand.decides;
    match &stand.absence {
        Some(absence) if is_held => {
            console.line(format_args!("           {}", until(absence)))?;
        }
        Some(absence) => console.line(format_args!(
            "           it discards it next at seq {}, {}, {}",
            absence.seq,
            date(absence.t_ms),
            until(absence)
        ))?,
        None => console.line("           and does not discard it from there on")?,
    }
    match &stand.explanation {
        _ if is_held => {}
        Some(explanation) => {
            for line in explanation.to_string().lines() {
                console.line(format_args!("  {line}"))?;
            }
            write_remedies(explanation, &stand.remedies, "  ", console)?;
        }
        None => {
            let guards = if stand.objections.is_empty() {
                "none".to_owned()
            } else {
                stand.objections.join(", ")
            };
            console.line(format_args!(
                "           a baseline cannot explain itself; hard guards of ours that hold in its \
                 world: {guards}"
            ))?;
        }
    }
    Ok(())
}

fn write_foreseen(
    foreseen: Option<&Foreseen>,
    is_open: bool,
    console: &mut Console,
) -> anyhow::Result<()> {
    let label = "clairvoyant";
    if foreseen.is_none() && !is_open {
        return console.line(format_args!("{label:<9}  not open at this line"));
    }
    let Some(foreseen) = foreseen else {
        return console.line(format_args!(
            "{label:<9}  keeps it: the guards leave no time around this line in which it could be \
             gone"
        ));
    };
    let Foreseen {
        absence,
        from_reloads,
        reloads_max,
    } = foreseen;
    console.line(format_args!(
        "{label:<9}  could do without it from seq {}, {}, {}",
        absence.seq,
        date(absence.t_ms),
        until(absence)
    ))?;
    let takes = match from_reloads {
        None => "does not discard it, since that saves nothing".to_owned(),
        Some(0) => "discards it, since it is not needed again".to_owned(),
        Some(from) => format!(
            "discards it where the whole trace may cost {} or more; beyond {} nothing more is saved",
            count(*from, "reload"),
            number(*reloads_max)
        ),
    };
    console.line(format_args!("             {takes}"))
}

/// Until when a tab is gone, and what that saves.
fn until(absence: &Absence) -> String {
    let end = match absence.end {
        HoldEnd::Needed => "is needed",
        HoldEnd::Closed => "is closed",
        HoldEnd::TakenOver => "is discarded by another program, too",
        HoldEnd::Trace => "is lost sight of as the trace ends",
    };
    let at = absence
        .until_seq
        .map_or(String::new(), |seq| format!(" at seq {seq}"));
    format!(
        "until it {end}{at}, {}: {:.3} GiB·h",
        date(absence.until_ms),
        absence.saved_gib_h
    )
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
