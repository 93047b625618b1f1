//! The page of a comparison: the table, the picture, how sure it is, and what it was made from.

use std::path::Path;

use maud::{Markup, html};
use simulator::curve::SHARES;
use simulator::replay::Feedback;

use super::columns::{Mark, marks};
use super::text::{DIFFERENCES, LEGEND, clairvoyant, curve_cells, difference_cells};
use super::{Comparison, Kind, Row, picture};
use crate::console::{Safe, number};
use crate::page::{self, Group, Heading, Page, Table, figure};

/// How many columns show what a part of our policy is for: saved, of all, early, reloads.
const ABLATION_COLUMNS: usize = 4;

pub(super) fn write(comparison: &Comparison, file: &Path) -> anyhow::Result<()> {
    let made_from = format!("Made from {}.", comparison.made_from());
    let mut page = Page::new("Tab policies compared", summary(comparison), &made_from);
    page.section("table", "What each policy came to", table(comparison));
    page.section(
        "picture",
        "Memory saved against reloads",
        savings(comparison)?,
    );
    if comparison.people > 1 {
        page.section("differences", "How sure that is", differences(comparison));
    }
    if comparison.rows.iter().any(|row| row.kind == Kind::Ablation) {
        page.section("parts", "What each part is for", ablation(comparison));
    }
    if !comparison.curves.is_empty() {
        page.section("families", "Whatever the TTL", families(comparison)?);
    }
    page.section(
        "not-observable",
        "What no trace can tell",
        not_observable(comparison),
    );
    page.section(
        "provenance",
        "What it was made from",
        provenance(comparison),
    );
    page.write(file)
}

fn summary(comparison: &Comparison) -> Markup {
    let base = comparison.base_row();
    let bound = (comparison.rows.iter()).find(|row| row.kind == Kind::Clairvoyant);
    let traces = match comparison.traces.len() {
        1 => "a trace".to_owned(),
        count => format!("{count} traces"),
    };
    let hours = base.pooled.span.active_ms as f64 / 3.6e6;
    html! {
        p {
            (comparison.rows.len() - usize::from(bound.is_some())) " policies on " (traces) " with " (format!("{hours:.1}"))
            " hours of a user's time. " strong { (Safe(&base.name)) } ", which the others are held \
            against, saved " (told(base)) "."
            @if let Some(bound) = bound {
                " Somebody who knew how each trace goes on would have saved " (told(bound)) "."
            }
        }
        p.facts {
            "Engine " (comparison.engine) ", sim " (comparison.sim) ", seed " (comparison.seed) "."
        }
    }
}

/// What a policy saved and at what price: never one without the other.
fn told(row: &Row) -> String {
    let score = &row.pooled;
    let early = score
        .early_return_rate
        .map_or("no discard at all".to_owned(), |rate| {
            format!("{:.1} % early returns", 100.0 * rate)
        });
    let reloads = crate::console::count(score.reloads, "reload");
    format!("{:.3} GiB·h with {reloads} and {early}", score.saved_gib_h)
}

fn table(comparison: &Comparison) -> Markup {
    let columns = comparison.columns.iter();
    let headings = columns.map(|column| Heading::number(column.title, column.unit));
    let marks = marks(&comparison.columns, &comparison.rows);
    let mut numbered_rows = (1..).zip(&comparison.rows).zip(marks).peekable();
    let mut groups: Vec<Group> = Vec::new();
    while let Some(((_, first), _)) = numbered_rows.peek() {
        let kind = first.kind;
        let of_kind =
            std::iter::from_fn(|| numbered_rows.next_if(|((_, row), _)| row.kind == kind));
        let rows = of_kind.map(|((place, row), marks)| {
            let cells = comparison.columns.iter().zip(marks);
            page::Row {
                name: html! {
                    (numbered(place)) (Safe(&row.name))
                    @if row.name == comparison.base { " (base)" }
                },
                cells: cells
                    .map(|(column, mark)| value(&column.show(&row.pooled), mark))
                    .collect(),
                is_strong: kind == Kind::Ours,
            }
        });
        groups.push(Group {
            name: kind.heading(),
            rows: rows.collect(),
        });
    }
    let table = Table {
        caption: "What each policy came to, over all traces".to_owned(),
        columns: std::iter::once(Heading::text("policy"))
            .chain(headings)
            .collect(),
        groups,
    };
    html! {
        (table)
        p.note { (LEGEND) }
        p.note { (clairvoyant(comparison)) }
    }
}

impl Kind {
    /// What stands above such rows.
    fn heading(self) -> &'static str {
        match self {
            Self::Ours => "Our policy",
            Self::Ablation => "Our policy without a part",
            Self::Baseline => "Others",
            Self::Clairvoyant => "The bound",
        }
    }
}

/// A row's number, as it stands in the picture.
fn numbered(place: usize) -> Markup {
    html! { span.place { (place) } " " }
}

/// A value with its mark, which is seen, and said to those who do not see it.
fn value(shown: &str, mark: Mark) -> Markup {
    let marked = |class: &str, sign: &str, word: &str| {
        html! {
            span class=(class) {
                i aria-hidden="true" { (sign) } (shown) span.unseen { " (" (word) ")" }
            }
        }
    };
    match mark {
        Mark::Best => marked("best", "▲", "best"),
        Mark::Worst => marked("worst", "▼", "worst"),
        Mark::Plain => html! { (shown) },
    }
}

fn savings(comparison: &Comparison) -> anyhow::Result<Markup> {
    let caption = html! {
        "Upwards is more saved, to the left are fewer reloads. Nobody who keeps our guards can lie \
         above the line. A ring is a policy that also discards tabs which a guard of ours protects, \
         such as one that plays: what it saves there is not for the taking. Distances along the \
         lower axis grow as the square root."
    };
    let figure = figure(&picture::savings(comparison), &caption)?;
    Ok(html! {
        (figure)
        ol.key {
            @for (place, row) in (1..).zip(&comparison.rows) {
                li {
                    (numbered(place)) span { (Safe(&row.name)) }
                    small {
                        @match row.pooled.early_return_rate {
                            Some(rate) => { (format!("{:.1} % early", 100.0 * rate)) }
                            None => "no discards"
                        }
                    }
                }
            }
        }
    })
}

fn differences(comparison: &Comparison) -> Markup {
    let headings = DIFFERENCES.map(|(title, unit)| Heading::number(title, unit));
    let rows = (1..).zip(&comparison.rows).filter_map(|(place, row)| {
        let cells = difference_cells(row.against_base.as_ref()?);
        Some(page::Row::new(
            html! { (numbered(place)) (Safe(&row.name)) },
            cells.map(|cell| html! { (cell) }).into(),
        ))
    });
    let table = Table::of_rows(
        &format!(
            "Differences from {}, with 95 % intervals",
            Safe(&comparison.base)
        ),
        std::iter::once(Heading::text("policy"))
            .chain(headings)
            .collect(),
        rows.collect(),
    );
    html! {
        p {
            "The difference of each policy from " (Safe(&comparison.base)) " over "
            (comparison.taken_over()) ", with a 95 % interval. * the interval leaves 0 out."
        }
        p { (comparison.drawn()) }
        (table)
    }
}

fn ablation(comparison: &Comparison) -> Markup {
    let base = comparison.base_row();
    let columns = &super::columns::COLUMNS[..ABLATION_COLUMNS];
    let headings = columns.iter().flat_map(|column| {
        // A difference of two percentages is none of either.
        let unit = if column.unit == "%" {
            "points"
        } else {
            column.unit
        };
        let change = Heading::number("change", unit);
        [Heading::number(column.title, column.unit), change]
    });
    let rows = (1..)
        .zip(&comparison.rows)
        .filter(|(_, row)| row.kind == Kind::Ablation);
    let rows = rows.map(|(place, row)| {
        let cells = columns.iter().flat_map(|column| {
            let change = column.show_difference(&row.pooled, &base.pooled);
            [column.show(&row.pooled), change]
        });
        page::Row::new(
            html! { (numbered(place)) (Safe(&row.name)) },
            cells.map(|cell| html! { (cell) }).collect(),
        )
    });
    let table = Table::of_rows(
        &format!("{} without each of its parts", Safe(&base.name)),
        std::iter::once(Heading::text("policy"))
            .chain(headings)
            .collect(),
        rows.collect(),
    );
    html! {
        p {
            "One part of " (Safe(&base.name)) " is taken away at a time. What then changes is what \
            the part does on these traces."
        }
        (table)
    }
}

fn families(comparison: &Comparison) -> anyhow::Result<Markup> {
    let headings = SHARES.map(|share| Heading::number(&format!("{:.0} %", 100.0 * share), "saved"));
    let rows = comparison.curves.iter().map(|curve| {
        let cells = curve_cells(curve).map(|cell| html! { (cell) });
        page::Row::new(html! { (Safe(&curve.name)) }, cells.into())
    });
    let table = Table::of_rows(
        "Reloads of each family where it saves so much of the background",
        std::iter::once(Heading::text("family"))
            .chain(headings)
            .collect(),
        rows.collect(),
    );
    let caption = html! {
        "All TTLs of a family scaled together, from a 64th of its own, but no less than a minute, to \
         22.6 times. To the left is better: the same share for fewer reloads."
    };
    Ok(html! {
        p {
            "Reloads of a family where it saves so much of the background, the gate always open, \
             the loop open: families are compared without anybody's lucky choice of a TTL."
        }
        (figure(&picture::families(&comparison.curves), &caption)?)
        (table)
    })
}

fn not_observable(comparison: &Comparison) -> Markup {
    // Policies that miss the same are told together.
    let mut missing: Vec<(&[String], Vec<&str>)> = Vec::new();
    for row in comparison
        .rows
        .iter()
        .filter(|row| row.kind != Kind::Clairvoyant)
    {
        match missing
            .iter_mut()
            .find(|(what, _)| *what == row.not_observable)
        {
            Some((_, names)) => names.push(&row.name),
            None => missing.push((&row.not_observable, vec![&row.name])),
        }
    }
    let (nothing, missing): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|(what, _)| what.is_empty());
    html! {
        p {
            "What a policy looks at in its browser and a trace does not hold. Here it decides \
             without: as if it were never so."
        }
        dl.columns {
            @for (what, names) in missing {
                div {
                    dt { (Safe(&names.join(", "))) }
                    @for what in what { dd { (Safe(what)) } }
                }
            }
            @for (_, names) in nothing {
                div {
                    dt { (Safe(&names.join(", "))) }
                    dd { "nothing: all that it looks at is in a trace" }
                }
            }
        }
    }
}

fn provenance(comparison: &Comparison) -> Markup {
    let code = |text: &str| html! { code { (Safe(text)) } };
    let traces = comparison.traces.iter().map(|trace| {
        let cells = vec![
            code(&trace.session),
            html! { (number(trace.lines)) },
            code(&trace.digest),
        ];
        page::Row::new(html! { (Safe(&trace.path)) }, cells)
    });
    let traces = Table::of_rows(
        "Traces",
        vec![
            Heading::text("trace"),
            Heading::text("session"),
            Heading::number("lines", ""),
            Heading::text("digest"),
        ],
        traces.collect(),
    );
    let policies = (comparison.rows.iter()).filter_map(|row| {
        let hash = row.hash.as_ref()?;
        Some(page::Row::new(
            html! { (Safe(&row.name)) },
            vec![code(hash)],
        ))
    });
    let policies = Table::of_rows(
        "Policy documents",
        vec![
            Heading::text("policy"),
            Heading::text("hash of its document"),
        ],
        policies.collect(),
    );
    let feedback = match comparison.base_row().pooled.feedback {
        Feedback::Closed => "closed: samples of memory follow what a policy frees",
        Feedback::Open => "open: samples of memory are as recorded",
    };
    html! {
        (traces)
        @if !policies.groups[0].rows.is_empty() { (policies) }
        dl {
            dt { "Loop" } dd { (feedback) }
            dt { "Versions" }
            dd { "engine " (comparison.engine) ", sim " (comparison.sim) "; the other policies are built into sim" }
            dt { "Seed" } dd { (comparison.seed) ": the same traces, versions and seed give this page again, byte for byte" }
        }
    }
}
