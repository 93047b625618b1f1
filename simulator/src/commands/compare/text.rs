//! The table for a terminal and for Markdown.

use comfy_table::{CellAlignment, Table, TableStyle, presets};
use simulator::comparison::{Difference, Estimate, FEW};
use simulator::curve::{Curve, SHARES};

use super::Comparison;
use super::columns::{Mark, marks};
use crate::console::{Console, Safe, cut, number};

pub(super) const LEGEND: &str = "▲ best and ▼ worst of the policies that discard anything. \
early: discards whose tab was back within 10 minutes of the user's time. frontier: saved, of what \
a clairvoyant saves with as many reloads.";

/// What differences are told of, with the unit.
pub(super) const DIFFERENCES: [(&str, &str); 3] = [
    ("saved", "GiB·h / h"),
    ("early", "% of discards"),
    ("reloads", "/ h"),
];

pub(super) fn write(comparison: &Comparison, console: &mut Console) -> anyhow::Result<()> {
    console.line(table(comparison, presets::UTF8_BORDERS_ONLY))?;
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
        if comparison.traces.len() < FEW {
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
    console.line(table(comparison, presets::ASCII_MARKDOWN))?;
    console.line("")?;
    console.line(LEGEND)?;
    console.line(clairvoyant(comparison))?;
    if !comparison.curves.is_empty() {
        console.line("")?;
        console.line(curves(comparison, presets::ASCII_MARKDOWN))?;
    }
    console.line("")?;
    console.line(format_args!("Made from {}.", comparison.made_from()))
}

/// What the clairvoyant's row is.
pub(super) fn clairvoyant(comparison: &Comparison) -> String {
    let base = Safe(&comparison.base);
    let mut rows = comparison.rows.iter();
    if rows.any(|row| row.name == comparison.base && row.pooled.reloads == 0) {
        return format!("The clairvoyant has no reload to spend, since {base} took none.");
    }
    format!(
        "The clairvoyant has as many reloads to spend as {base}; without any it saves {:.3} GiB·h.",
        (comparison.frontier.first()).map_or(0.0, |point| point.saved_gib_h)
    )
}

fn table(comparison: &Comparison, style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    let titles = (comparison.columns.iter()).map(|column| {
        format!("{} {}", column.title, column.unit)
            .trim()
            .to_owned()
    });
    table.set_header(["#", "policy"].map(str::to_owned).into_iter().chain(titles));
    for index in (0..comparison.columns.len() + 2).filter(|&index| index != 1) {
        let column = table.column_mut(index).expect("the header has it");
        column.set_cell_alignment(CellAlignment::Right);
    }
    let marks = marks(&comparison.columns, &comparison.rows);
    for ((number, row), marks) in (1..).zip(&comparison.rows).zip(marks) {
        let cells = (comparison.columns.iter().zip(marks))
            .map(|(column, mark)| format!("{}{}", sign(mark), column.show(&row.pooled)));
        let mut name = cut(&row.name, 40);
        if row.name == comparison.base {
            name.push_str(" (base)");
        }
        table.add_row([number.to_string(), name].into_iter().chain(cells));
    }
    table
}

fn sign(mark: Mark) -> &'static str {
    match mark {
        Mark::Best => "▲ ",
        Mark::Worst => "▼ ",
        Mark::Plain => "",
    }
}

fn differences(comparison: &Comparison, style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    let titles = DIFFERENCES.map(|(title, unit)| format!("{title} {unit}"));
    table.set_header(std::iter::once("policy".to_owned()).chain(titles));
    for row in &comparison.rows {
        let Some(difference) = &row.against_base else {
            continue;
        };
        let cells = difference_cells(difference).into_iter();
        table.add_row(std::iter::once(cut(&row.name, 40)).chain(cells));
    }
    table
}

/// What a difference is, in the columns of [`DIFFERENCES`].
pub(super) fn difference_cells(difference: &Difference) -> [String; DIFFERENCES.len()] {
    let early = difference.early_return_rate.map(|rate| Estimate {
        value: 100.0 * rate.value,
        low: 100.0 * rate.low,
        high: 100.0 * rate.high,
    });
    [
        estimate(difference.saved_gib_h_per_active_hour, 4),
        estimate(early, 1),
        estimate(difference.reloads_per_active_hour, 3),
    ]
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
        let cells = curve_cells(curve).into_iter();
        table.add_row(std::iter::once(cut(&curve.name, 40)).chain(cells));
    }
    table
}

/// The reloads of a family, at each of [`SHARES`].
pub(super) fn curve_cells(curve: &Curve) -> [String; SHARES.len()] {
    let reloads = curve.reloads_at;
    reloads.map(|reloads| reloads.map_or("–".to_owned(), |reloads| format!("{reloads:.0}")))
}
