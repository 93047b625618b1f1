//! The table for a terminal and for Markdown.

use std::ops::Range;

use comfy_table::{CellAlignment, Table, TableStyle, presets};
use simulator::comparison::{Difference, Estimate};
use simulator::curve::{Curve, SHARES};

use super::Comparison;
use super::columns::{Mark, marks};
use crate::console::{Console, Safe, cut};

pub(super) const LEGEND: &str = "▲ best and ▼ worst of the policies that discard anything. \
early: discards whose tab was back within 10 minutes of the user's time. frontier: saved, of what \
a clairvoyant saves with as many reloads.";

/// How much of a policy's name is shown, and how much at least where a terminal is narrow.
const NAME_WIDTH: usize = 40;
const NAME_WIDTH_MIN: usize = 12;

/// What differences are told of, with the unit.
pub(super) const DIFFERENCES: [(&str, &str); 3] = [
    ("saved", "GiB·h / h"),
    ("early", "% of discards"),
    ("reloads", "/ h"),
];

pub(super) fn write(comparison: &Comparison, console: &mut Console) -> anyhow::Result<()> {
    let width = console.width();
    let names_at_most = width.map_or(NAME_WIDTH, |width| {
        width
            .saturating_sub(NAME_WIDTH)
            .clamp(NAME_WIDTH_MIN, NAME_WIDTH)
    });
    let write = |grid: Grid, console: &mut Console| {
        let tables = grid.tables(presets::UTF8_BORDERS_ONLY, width);
        tables.iter().try_for_each(|table| console.line(table))
    };
    write(policies(comparison, names_at_most), console)?;
    console.line(LEGEND)?;
    console.line(clairvoyant(comparison))?;
    if comparison.traces.len() > 1 {
        console.line("")?;
    }
    if comparison.people > 1 {
        console.line(format_args!(
            "Difference from {}, over {}, with 95 % intervals:",
            Safe(&comparison.base),
            comparison.taken_over()
        ))?;
        write(differences(comparison, names_at_most), console)?;
        console.line("* the interval leaves 0 out")?;
        console.line(comparison.drawn())?;
    } else if comparison.traces.len() > 1 {
        console
            .line("All traces are of one person: a difference between policies has no interval.")?;
    }
    if !comparison.curves.is_empty() {
        console.line("")?;
        console.line(
            "Reloads of a family, all TTLs scaled together, where it saves so much of the \
             background (gate always open, open loop):",
        )?;
        write(curves(comparison, names_at_most), console)?;
    }
    console.line(format_args!("made from {}", comparison.made_from()))
}

pub(super) fn write_markdown(comparison: &Comparison, console: &mut Console) -> anyhow::Result<()> {
    let write = |grid: Grid, console: &mut Console| {
        let tables = grid.tables(presets::ASCII_MARKDOWN, None);
        tables.iter().try_for_each(|table| console.line(table))
    };
    write(policies(comparison, NAME_WIDTH), console)?;
    console.line("")?;
    console.line(LEGEND)?;
    console.line(clairvoyant(comparison))?;
    if !comparison.curves.is_empty() {
        console.line("")?;
        write(curves(comparison, NAME_WIDTH), console)?;
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

/// What is shown in columns, with the columns that say of what a row is.
struct Grid {
    /// What stands in front of every table that it is written as.
    heads: Vec<&'static str>,
    titles: Vec<String>,
    /// What a row is of, and its cells.
    rows: Vec<(Vec<String>, Vec<String>)>,
    alignment: CellAlignment,
}

impl Grid {
    /// Writes as many columns beside each other as fit into the width; where that is not all of
    /// them, the rest in tables of their own, below. A terminal would break the lines of a wider one.
    fn tables(&self, style: TableStyle, width: Option<usize>) -> Vec<Table> {
        let fits = |table: &Table| {
            let line = table.lines().next().unwrap_or_default();
            width.is_none_or(|width| line.chars().count() <= width)
        };
        let mut tables = Vec::new();
        let mut from = 0;
        while from < self.titles.len() {
            let mut table = self.table(style, from..from + 1);
            let mut to = from + 1;
            while to < self.titles.len() {
                let wider = self.table(style, from..to + 1);
                if !fits(&wider) {
                    break;
                }
                table = wider;
                to += 1;
            }
            tables.push(table);
            from = to;
        }
        tables
    }

    fn table(&self, style: TableStyle, columns: Range<usize>) -> Table {
        let mut table = Table::new();
        table.load_style(style);
        let heads = self.heads.iter().map(|&head| head.to_owned());
        table.set_header(heads.chain(self.titles[columns.clone()].iter().cloned()));
        for (head, cells) in &self.rows {
            table.add_row(head.iter().chain(&cells[columns.clone()]));
        }
        for index in (0..self.heads.len() + columns.len()).filter(|&it| it + 1 != self.heads.len())
        {
            let column = table.column_mut(index).expect("the header has it");
            column.set_cell_alignment(self.alignment);
        }
        table
    }
}

fn policies(comparison: &Comparison, names_at_most: usize) -> Grid {
    let titles = (comparison.columns.iter()).map(|column| {
        format!("{} {}", column.title, column.unit)
            .trim()
            .to_owned()
    });
    let marks = marks(&comparison.columns, &comparison.rows);
    let rows = ((1..).zip(&comparison.rows).zip(marks)).map(|((number, row), marks)| {
        let cells = (comparison.columns.iter().zip(marks))
            .map(|(column, mark)| format!("{}{}", sign(mark), column.show(&row.pooled)));
        let mut name = cut(&row.name, names_at_most);
        if row.name == comparison.base {
            name.push_str(" (base)");
        }
        (vec![i32::to_string(&number), name], cells.collect())
    });
    Grid {
        heads: vec!["#", "policy"],
        titles: titles.collect(),
        rows: rows.collect(),
        alignment: CellAlignment::Right,
    }
}

fn sign(mark: Mark) -> &'static str {
    match mark {
        Mark::Best => "▲ ",
        Mark::Worst => "▼ ",
        Mark::Plain => "",
    }
}

fn differences(comparison: &Comparison, names_at_most: usize) -> Grid {
    let rows = comparison.rows.iter().filter_map(|row| {
        let cells = difference_cells(row.against_base.as_ref()?);
        Some((vec![cut(&row.name, names_at_most)], cells.into()))
    });
    Grid {
        heads: vec!["policy"],
        titles: DIFFERENCES
            .map(|(title, unit)| format!("{title} {unit}"))
            .into(),
        rows: rows.collect(),
        alignment: CellAlignment::Left,
    }
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

fn curves(comparison: &Comparison, names_at_most: usize) -> Grid {
    let rows = comparison.curves.iter().map(|curve| {
        let cells = curve_cells(curve);
        (vec![cut(&curve.name, names_at_most)], cells.into())
    });
    Grid {
        heads: vec!["family"],
        titles: SHARES
            .map(|share| format!("{:.0} % saved", 100.0 * share))
            .into(),
        rows: rows.collect(),
        alignment: CellAlignment::Left,
    }
}

/// The reloads of a family, at each of [`SHARES`].
pub(super) fn curve_cells(curve: &Curve) -> [String; SHARES.len()] {
    let reloads = curve.reloads_at;
    reloads.map(|reloads| reloads.map_or("–".to_owned(), |reloads| format!("{reloads:.0}")))
}
