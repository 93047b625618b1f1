//! What a tuning found, for people.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use simulator::comparison::Estimate;
use simulator::replay::Rates;

use super::found::{HeldOut, Member, Tuned};
use crate::console::{Console, Safe, count, percent};
use crate::people::people_count;

pub(super) fn write(tuned: &Tuned, out: &Path, console: &mut Console) -> anyhow::Result<()> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["", "saved", "early", "reloads / h", "HIGH min / h"]);
    section(&mut table, "in training");
    for member in &tuned.in_training {
        row(
            &mut table,
            member.policy.as_deref().unwrap_or_default(),
            &member.training,
        );
    }
    if let Some(chosen) = &tuned.chosen {
        row(&mut table, "tuned", &chosen.training);
    }
    for (title, held_out) in [
        ("on people it was not made for", &tuned.on_held_out_people),
        ("on a later time", &tuned.walking_forward),
    ] {
        let Some(held_out) = held_out else {
            continue;
        };
        section(&mut table, title);
        for judged in &held_out.against {
            row(&mut table, &judged.name, &judged.rates);
        }
        row(&mut table, "tuned", &held_out.tuned);
    }
    for index in 1..5 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.lines() {
        console.line(line.trim_end())?;
    }
    console.line("")?;
    for line in findings(tuned) {
        console.line(line)?;
    }
    let shown = out.display().to_string();
    console.line("")?;
    if tuned.recommended {
        console.line(format_args!("Recommended: {}/policy.toml", Safe(&shown)))?;
    } else {
        console.line("Not recommended.")?;
        if let Some(nearest) = &tuned.nearest {
            console.line(format_args!("Nearest to the limits: {}", settings(nearest)))?;
        }
    }
    console.line(format_args!("All of it: {}/tune.json", Safe(&shown)))
}

fn section(table: &mut Table, title: &str) {
    table.add_row([title]);
}

fn row(table: &mut Table, name: &str, rates: &Rates) {
    let share = |share: Option<f64>| share.map_or("–".to_owned(), percent);
    let number = |number: Option<f64>| number.map_or("–".to_owned(), |it| format!("{it:.3}"));
    table.add_row([
        format!("  {}", Safe(name)),
        share(rates.saved_share),
        share(rates.early_return_rate),
        number(rates.reloads_per_active_hour),
        number(rates.high_minutes_per_awake_hour),
    ]);
}

/// What was found, in sentences: what stands on the terminal and in the policy file.
pub(super) fn findings(tuned: &Tuned) -> Vec<String> {
    let mut lines = vec![format!(
        "{} of {} ({:.0} h active), {} tried in {}.",
        count(tuned.traces.len() as u64, "trace"),
        people_count(tuned.people.len()),
        tuned.active_hours,
        count(tuned.variants_tried as u64, "variant"),
        if tuned.splits.len() == 1 {
            "1 search".to_owned()
        } else {
            format!("{} searches", tuned.splits.len())
        },
    )];
    for (title, held_out) in [
        ("On people it was not made for", &tuned.on_held_out_people),
        ("On a later time", &tuned.walking_forward),
    ] {
        if let Some(held_out) = held_out {
            lines.extend(differences(title, held_out));
            lines.extend(lead(held_out, &tuned.base));
        }
    }
    let last = tuned.splits.last();
    if let Some(plateau) = last.and_then(|split| split.plateau) {
        lines.push(format!(
            "Around it: {} of {} neighbours keep the limits, and the median of them saves {}{}.",
            plateau.keep_limits,
            plateau.neighbours,
            percent(plateau.saved_share),
            if plateau.is_stable() {
                ""
            } else {
                "; that is no plateau"
            }
        ));
    }
    if let Some(changed) = tuned.changed.as_ref().filter(|it| !it.is_empty()) {
        let changed = changed
            .iter()
            .map(|it| format!("{} {} → {}", it.setting, it.from, it.to));
        lines.push(format!(
            "Changed: {}.",
            changed.collect::<Vec<_>>().join(", ")
        ));
    }
    lines.push(format!("Verdict: {}.", tuned.why));
    lines
}

fn differences(title: &str, held_out: &HeldOut) -> Vec<String> {
    let each = held_out.against.iter().map(|judged| {
        let evidence = &judged.evidence;
        let saved = evidence
            .saved_share
            .map_or("–".to_owned(), |it| points(&it));
        let reloads = evidence.reloads_per_active_hour;
        let reloads = reloads.map_or("–".to_owned(), |it| {
            format!("{:+.3} [{:+.3}, {:+.3}]", it.value, it.low, it.high)
        });
        let gain = evidence.gain.map_or(String::new(), |gain| {
            format!("; more for {} of {} people", gain.more, gain.people)
        });
        format!(
            "{title}, against {}: saved {saved} points, reloads / h {reloads}{gain}.",
            Safe(&judged.name)
        )
    });
    each.collect()
}

/// How what was chosen does beside the base where it was held out, and in training.
pub(in super::super) fn lead(held_out: &HeldOut, base: &str) -> Option<String> {
    let gap = 100.0 * held_out.gap_saved_share?;
    Some(format!(
        "There its lead over {} is {:.1} points {} than in training.",
        Safe(base),
        gap.abs(),
        if gap < 0.0 { "greater" } else { "smaller" }
    ))
}

fn points(it: &Estimate) -> String {
    let [value, low, high] = [it.value, it.low, it.high].map(|share| 100.0 * share);
    format!("{value:+.1} [{low:+.1}, {high:+.1}]")
}

fn settings(member: &Member) -> String {
    let settings = member
        .settings
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let settings: Vec<String> = settings.collect();
    let rates = &member.training;
    let number = |number: Option<f64>| number.map_or("–".to_owned(), |it| format!("{it:.3}"));
    format!(
        "{} (saved {}, {} reloads / h, {} early)",
        settings.join(" "),
        rates.saved_share.map_or("–".to_owned(), percent),
        number(rates.reloads_per_active_hour),
        rates.early_return_rate.map_or("–".to_owned(), percent),
    )
}
