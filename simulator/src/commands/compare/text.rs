//! The table for a terminal and for Markdown.

use comfy_table::{CellAlignment, Table, TableStyle, presets};
use simulator::comparison::Estimate;
use simulator::curve::SHARES;

use super::columns::{COLUMNS, Mark};
use super::{Comparison, Kind, Row};
use crate::console::{Console, Safe, cut, number};

const LEGEND: &str = "▲ best and ▼ worst of the policies that discard anything. early: discards \
whose tab was back within 10 minutes of the user's time. frontier: saved, of what a clairvoyant \
saves with as many reloads.";

/// With fewer traces the bootstrap draws too few different samples: from 10 on there are over
/// 90,000 of them (n out of 2n − 1).
const FEW_TRACES: usize = 10;

pub(super) fn write(comparison: &Comparison, console: &mut Console) -> anyhow::Result<()> {
    console.line(table(
        comparison,
        &comparison.rows,
        presets::UTF8_BORDERS_ONLY,
    ))?;
    console.line(LEGEND)?;
    console.line(clairvoyant(comparison))?;
    if comparison.traces.len() > 1 {
        console.line("")?;
        console.line(format_args!(
            "Difference from {}, over {} traces, with 95 % intervals (bootstrap over traces, {} \
             draws):",
            Safe(&comparison.base),
            comparison.traces.len(),
            number(comparison.resamples as u64)
        ))?;
        console.line(differences(comparison, presets::UTF8_BORDERS_ONLY))?;
        console.line("* the interval leaves 0 out")?;
        if comparison.traces.len() < FEW_TRACES {
            console.line(format_args!(
                "With {} traces the intervals are narrower than they should be: take them for a \
                 hint.",
                comparison.traces.len()
            ))?;
        }
    }
    if !comparison.curves.is_empty() {
        console.line("")?;
        console.line(
            "Reloads of a family, all TTLs scaled together, where it saves so much of the \
             background (gate always open, open loop):",
        )?;
        console.line(curves(comparison, presets::UTF8_BORDERS_ONLY))?;
    }
    console.line(format_args!("made from {}", comparison.made_from()))
}

pub(super) fn write_markdown(comparison: &Comparison, console: &mut Console) -> anyhow::Result<()> {
    console.line(table(comparison, &comparison.rows, presets::ASCII_MARKDOWN))?;
    console.line("")?;
    console.line(LEGEND)?;
    console.line(clairvoyant(comparison))?;
    if !comparison.curves.is_empty() {
        console.line("")?;
        console.line(curves(comparison, presets::ASCII_MARKDOWN))?;
    }
    Ok(())
}

/// What the clairvoyant's row is.
fn clairvoyant(comparison: &Comparison) -> String {
    format!(
        "The clairvoyant has as many reloads to spend as {}; without any it saves {:.3} GiB·h.",
        Safe(&comparison.base),
        (comparison.frontier.first()).map_or(0.0, |point| point.saved_gib_h)
    )
}

fn table(comparison: &Comparison, rows: &[Row], style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    let titles = COLUMNS.map(|column| {
        format!("{} {}", column.title, column.unit)
            .trim()
            .to_owned()
    });
    table.set_header(std::iter::once("policy".to_owned()).chain(titles));
    for index in 1..=COLUMNS.len() {
        let column = table.column_mut(index).expect("the header has it");
        column.set_cell_alignment(CellAlignment::Right);
    }
    let ranked: Vec<bool> = rows.iter().map(Row::is_ranked).collect();
    let marks: Vec<Vec<Mark>> = COLUMNS
        .iter()
        .map(|column| {
            let scores = rows.iter().filter(|row| row.is_ranked());
            column.marks(scores.map(|row| &row.pooled))
        })
        .collect();
    for (index, row) in rows.iter().enumerate() {
        let rank = ranked[..index]
            .iter()
            .filter(|is_ranked| **is_ranked)
            .count();
        let cells = COLUMNS.iter().zip(&marks).map(|(column, marks)| {
            let mark = marks.get(rank).filter(|_| row.is_ranked());
            let sign = match mark {
                Some(Mark::Best) => "▲ ",
                Some(Mark::Worst) => "▼ ",
                _ => "",
            };
            format!("{sign}{}", column.show(&row.pooled))
        });
        let mut name = cut(&row.name, 40);
        if row.name == comparison.base {
            name.push_str(" (base)");
        }
        table.add_row(std::iter::once(name).chain(cells));
    }
    table
}

impl Row {
    /// Whether it takes part in best and worst: whoever discards nothing is best at reloads, and
    /// nobody can be a clairvoyant.
    pub(super) fn is_ranked(&self) -> bool {
        self.kind != Kind::Clairvoyant && self.pooled.discards > 0
    }
}

fn differences(comparison: &Comparison, style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    table.set_header([
        "policy",
        "saved GiB·h / h",
        "reloads / h",
        "early returns, % of discards",
    ]);
    for row in &comparison.rows {
        let Some(difference) = &row.against_base else {
            continue;
        };
        let early = difference.early_return_rate.map(|rate| Estimate {
            value: 100.0 * rate.value,
            low: 100.0 * rate.low,
            high: 100.0 * rate.high,
        });
        table.add_row([
            cut(&row.name, 40),
            estimate(difference.saved_gib_h_per_active_hour, 4),
            estimate(difference.reloads_per_active_hour, 3),
            estimate(early, 1),
        ]);
    }
    table
}

fn estimate(estimate: Option<Estimate>, decimals: usize) -> String {
    estimate.map_or("–".to_owned(), |of| {
        let sure = if of.is_sure() { " *" } else { "" };
        format!(
            "{:+.decimals$} [{:+.decimals$}, {:+.decimals$}]{sure}",
            of.value, of.low, of.high
        )
    })
}

fn curves(comparison: &Comparison, style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    let shares = SHARES.map(|share| format!("{:.0} % saved", 100.0 * share));
    table.set_header(std::iter::once("family".to_owned()).chain(shares));
    for curve in &comparison.curves {
        let reloads = curve
            .reloads_at
            .map(|reloads| reloads.map_or("–".to_owned(), |reloads| format!("{reloads:.0}")));
        table.add_row(std::iter::once(cut(&curve.name, 40)).chain(reloads));
    }
    table
}
