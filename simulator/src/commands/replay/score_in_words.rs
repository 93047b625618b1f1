//! A score, for people: a row a subject, each with its label.

use simulator::replay::{EARLY_RETURN_MS, Feedback, Machine, Score, THRASH_MS};

use crate::console::{bytes, count, date, number, percent, span};

/// A row of the summary: its label and its text.
pub(super) type Row<'a> = dyn FnMut(&str, String) -> anyhow::Result<()> + 'a;

pub(super) fn write_scores(score: &Score, row: &mut Row<'_>) -> anyhow::Result<()> {
    row(
        "discards",
        format!(
            "{}, which the policy expected to free {}",
            number(score.discards),
            bytes(score.expected_bytes)
        ),
    )?;
    row("saved", saved(score))?;
    row(
        "",
        format!(
            "{:.3} GiB·h while awake, {} under pressure",
            score.saved_awake_gib_h,
            known(score.saved_pressed_gib_h, |gib_h| format!(
                "{gib_h:.3} GiB·h"
            )),
        ),
    )?;
    if !score.saved_by_source.is_empty() {
        let sources = score.saved_by_source.iter();
        let sources: Vec<String> = sources
            .map(|(source, share)| format!("{} {}", source.name(), percent(*share)))
            .collect();
        row("", format!("bytes by {}", sources.join(", ")))?;
    }
    row(
        "reloads",
        format!(
            "{}{}, {} of them within {} of the user's time{}",
            number(score.reloads),
            (score.reloads_per_active_hour)
                .map_or(String::new(), |rate| format!(" ({rate:.2} an hour)")),
            number(score.early_returns),
            span(EARLY_RETURN_MS),
            (score.early_return_rate).map_or(String::new(), |rate| format!(
                ": {} of the discards",
                percent(rate)
            ))
        ),
    )?;
    row(
        "",
        format!(
            "{} waited for, measured on {} of them; {} twice within {}",
            known(score.reload_wait_s, |seconds| format!("{seconds:.1} s")),
            number(score.timed_reloads),
            count(score.thrash, "discard"),
            span(THRASH_MS),
        ),
    )?;
    let taken_over = match score.taken_over {
        0 => String::new(),
        tabs => format!("{} discarded by another program, too, ", number(tabs)),
    };
    row(
        "",
        format!(
            "{} closed without having been needed, {taken_over}{} still discarded at the end",
            number(score.closed_while_held),
            number(score.held_at_end)
        ),
    )?;
    let here = Machine {
        pressure_medium_minutes: score.pressure_medium_minutes,
        pressure_high_minutes: score.pressure_high_minutes,
        peak_used: score.peak_used,
    };
    row("pressure", machine(&here))?;
    row(
        "",
        format!("had no policy discarded: {}", machine(&score.never)),
    )?;
    row("metrics", feedback(score))?;
    if let Some(excess) = score.excess_reloads {
        row("frontier", frontier(score.frontier_share, excess))?;
    }
    row("violations", violations(score))
}

pub(super) fn time(score: &Score) -> String {
    format!(
        "{}, awake {}, the user there {}",
        span(score.span.wall_ms),
        span(score.span.awake_ms),
        span(score.span.active_ms)
    )
}

/// Bytes, and beside them how often the policy was wrong.
fn saved(score: &Score) -> String {
    let share = score.saved_share.map_or(String::new(), |share| {
        format!(", {} of the background", percent(share))
    });
    let early = score.early_return_rate.map_or(String::new(), |rate| {
        format!("; early returns {}", percent(rate))
    });
    format!("{:.3} GiB·h{share}{early}", score.saved_gib_h)
}

fn machine(machine: &Machine) -> String {
    let minutes = |minutes| known(minutes, |minutes: f64| format!("{minutes:.1} min"));
    format!(
        "MEDIUM {}, HIGH {}, at most {} in use",
        minutes(machine.pressure_medium_minutes),
        minutes(machine.pressure_high_minutes),
        known(machine.peak_used, bytes)
    )
}

fn feedback(score: &Score) -> String {
    match score.feedback {
        Feedback::Open => "open loop: as recorded, whatever this policy frees".to_owned(),
        Feedback::Closed => format!(
            "closed loop: they follow what this policy frees; stall time and swap withheld from {} \
             of {}, {} left out",
            number(score.withheld_samples),
            count(score.samples, "sample"),
            count(score.withheld_signals, "signal")
        ),
    }
}

fn frontier(share: Option<f64>, excess_reloads: u64) -> String {
    match share {
        None => "there was nothing to save".to_owned(),
        Some(share) => format!(
            "{} of what a clairvoyant saves with as many reloads; {} too many for what was saved",
            percent(share),
            count(excess_reloads, "reload")
        ),
    }
}

fn violations(score: &Score) -> String {
    match score.violations {
        0 => "none".to_owned(),
        found => format!("{}: {}", number(found), list(&score.violated)),
    }
}

fn known<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or("unknown".to_owned(), show)
}

pub(super) fn departure(score: &Score) -> String {
    let Some(departure) = score.departure else {
        return "decided as recorded, to the end".to_owned();
    };
    let after = score.departed_share.map_or(String::new(), |share| {
        format!("; {} of the discards come after", percent(share))
    });
    let after = score.departed_saved_share.map_or(after.clone(), |share| {
        format!("{after}, and {} of what was saved", percent(share))
    });
    format!(
        "decided otherwise first at seq {}, {}{after}",
        departure.seq,
        date(departure.t_ms)
    )
}

pub(super) fn list<K: ToString, N: std::borrow::Borrow<u64>>(
    counts: impl IntoIterator<Item = (K, N)>,
) -> String {
    let counts = counts.into_iter();
    let shown: Vec<String> = counts
        .map(|(name, count)| format!("{} {}", name.to_string(), number(*count.borrow())))
        .collect();
    shown.join(", ")
}
