//! `sim stats`: is the use of tabs in a trace like what is known of it?

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use comfy_table::{CellAlignment, presets};
use maud::{Markup, html};
use recorder::Trace;
use serde::Serialize;
use simulator::calibration::{Calibration, Course, FEWEST_AWAY, Of, Person as Measure, Pool, Row};
use simulator::comparison::Person;
use simulator::plot::{Axis, Form, Mark, Plot, Scale, Series, Theme};

use super::each;
use crate::console::Console;
use crate::named_traces::{Distinct, NamedTrace, named_traces};
use crate::outcome::Outcome;
use crate::page::{self, Heading, Page, Table, figure};
use crate::people::{PersonArgs, people, people_count};
use crate::reading::{Ending, Show, read, shown};
use crate::writing::write_whole;

/// Compare how tabs are used in a trace with what is known of it
///
/// Computes, for each trace and for all of them together, the calibration table: tabs and windows
/// open, lives of tabs, time on pages and sites, sessions, switches, returns to a site by how long
/// it was away, discards and memory; each beside the value that was published or measured, its
/// source, and a tolerance. Sources are marked Q (quoted), S (at second hand), C (computed from
/// data) and D (read off a graph). What a trace cannot tell is left out, and said why. What a view,
/// a session, a site and a return are: simulator/STATS.md.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sim stats traces/recorded/long
  sim stats --json traces/recorded/long | jq '.rows[] | select(.within == false)'
  sim stats --person '^(.*)-w[0-9]$' waves/*
  sim stats --person ^ my-traces --html mine.html")]
pub(crate) struct StatsArgs {
    /// Traces to measure: folders or segments
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) person: PersonArgs,
    /// Write plots as SVG files, light and dark, into this folder
    #[arg(long, value_name = "FOLDER")]
    pub(crate) svg: Option<PathBuf>,
    /// Write tables and plots as a page that needs nothing else
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Write one JSON object for each person, then one for all of them
    #[arg(long)]
    pub(crate) json: bool,
}

/// How many people's open tabs are drawn.
const COURSES_SHOWN: usize = 6;

pub(crate) fn run(args: &StatsArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let mut pool = Pool::new();
    let mut courses = Vec::new();
    let mut distinct = Distinct::default();
    let named = named_traces(&args.traces, console);
    let mut people = people(args.person.of_named(&named)?);
    people.sort_by_key(|person| person.traces.first().copied());
    let mut named: Vec<Option<NamedTrace>> = named.into_iter().map(Some).collect();
    let mut of = |person: &Person| -> Vec<NamedTrace> {
        (person.traces.iter())
            .filter_map(|&trace| named[trace].take())
            .collect()
    };
    let people = people.iter().map(|it| (it.name.clone(), of(it))).collect();
    let outcome = each(people, console, |(name, traces), console| {
        let traces = traces.into_iter().map(|it| Ok((it.path, it.trace?)));
        let traces = in_order(traces.collect::<anyhow::Result<_>>()?);
        let person = person(&traces, &mut distinct, console)?;
        write_person(&name, &traces, &person, args.json, console)?;
        pool.add(&person.measured.measures);
        if courses.len() < COURSES_SHOWN {
            courses.push(person.measured.course);
        }
        Ok(Outcome::Yes)
    })?;
    if pool.people() > 0 {
        let plots = plots(&pool, &courses);
        if let Some(folder) = &args.svg {
            write_svg(folder, &plots)?;
        }
        if let Some(file) = &args.html {
            write_page(file, &pool, &plots)?;
        }
    }
    if pool.people() > 1 {
        let rows = pool.rows();
        if args.json {
            console.json(&PooledReport {
                type_name: "pooled",
                people: pool.people(),
                rows: &rows,
            })?;
        } else {
            console.line(format_args!("{} pooled", people_count(pool.people())))?;
            write_rows(&rows, console)?;
        }
    }
    Ok(outcome)
}

/// What is written as JSON for one person.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(rename = "type")]
    type_name: &'static str,
    person: &'a str,
    traces: Vec<String>,
    rows: &'a [Row],
    ends: &'a [Ending],
}

/// What is written as JSON for all of them together.
#[derive(Serialize)]
struct PooledReport<'a> {
    #[serde(rename = "type")]
    type_name: &'static str,
    people: usize,
    rows: &'a [Row],
}

/// A person, and how reading their traces ended.
struct Measured {
    measured: Measure,
    ends: Vec<Ending>,
}

/// Puts one person's traces in the order in which they were opened.
fn in_order(mut traces: Vec<(PathBuf, Trace)>) -> Vec<(PathBuf, Trace)> {
    traces.sort_by(|(a, of_a), (b, of_b)| {
        let opened = |trace: &Trace| trace.segments()[0].opened_t_ms;
        (opened(of_a), a).cmp(&(opened(of_b), b))
    });
    traces
}

fn person(
    traces: &[(PathBuf, Trace)],
    distinct: &mut Distinct,
    console: &mut Console,
) -> anyhow::Result<Measured> {
    let mut calibration = Calibration::new();
    let mut ends = Vec::new();
    for (path, trace) in traces {
        let end = read(trace, Show::Progress, console, |line, _| {
            calibration.take(line);
            Ok(ControlFlow::Continue(()))
        })?;
        distinct.take(path, &end.digest)?;
        ends.push(end);
    }
    Ok(Measured {
        measured: calibration.finish(),
        ends,
    })
}

fn write_person(
    name: &str,
    traces: &[(PathBuf, Trace)],
    person: &Measured,
    json: bool,
    console: &mut Console,
) -> anyhow::Result<()> {
    let mut alone = Pool::new();
    alone.add(&person.measured.measures);
    let rows = alone.rows();
    if json {
        return console.json(&Report {
            type_name: "person",
            person: name,
            traces: traces
                .iter()
                .map(|(path, _)| path.display().to_string())
                .collect(),
            rows: &rows,
            ends: &person.ends,
        });
    }
    let names: Vec<String> = traces.iter().map(|(path, _)| shown(path)).collect();
    console.line(names.join(", "))?;
    write_rows(&rows, console)
}

/// Writes the table: what is known first, then why the rest is not.
pub(super) fn write_rows(rows: &[Row], console: &mut Console) -> anyhow::Result<()> {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(vec![
        "",
        "row",
        "got",
        "by person",
        "target",
        "tolerance",
        "unit",
        "",
    ]);
    for row in rows.iter().filter(|row| row.got.is_some()) {
        let range = |range: Option<(f64, f64)>| {
            range.map_or(String::new(), |(least, most)| format!("{least} to {most}"))
        };
        let number = |number: Option<f64>| number.map_or(String::new(), |it| it.to_string());
        let judged = match row.within {
            Some(true) => "ok",
            Some(false) => "OFF",
            None => "",
        };
        table.add_row(vec![
            judged.to_owned(),
            row.name.to_owned(),
            number(row.got),
            range(row.by_person),
            number(row.target),
            range(row.tolerance),
            row.unit.to_owned(),
            row.mark.letter().to_owned(),
        ]);
    }
    for index in 2..=5 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.lines() {
        console.line(line.trim_end())?;
    }
    let judged = rows.iter().filter(|row| row.within.is_some()).count();
    let within = rows.iter().filter(|row| row.within == Some(true)).count();
    console.line(format_args!(
        "{within} of {judged} judged rows within their tolerance"
    ))?;
    for row in rows {
        if let Some(absent) = &row.absent {
            console.line(format_args!("not told: {}: {absent}", row.name))?;
        }
    }
    console.line("")
}

/// The plots of what is known, each with the name of its file.
fn plots(pool: &Pool, courses: &[Course]) -> Vec<(&'static str, Plot)> {
    let measures = pool.measures();
    let mut dwell = vec![Series::new(
        "as it was",
        Mark::Steps,
        measures.share_above(Of::PageDwell),
    )];
    if let Ok(fit) = measures.weibull(Of::PageDwell) {
        let name = format!("Weibull, k {:.2}, scale {:.0} s", fit.k, fit.scale_ms / 1e3);
        let points = dwell[0].points.iter();
        let points = points.map(|&(ms, _)| (ms, fit.share_above(ms))).collect();
        dwell.push(Series::new(name, Mark::ThinLine, points));
    }
    let days = |course: &Course| {
        let day = |index: usize| index as f64 * course.span_ms as f64 / 86.4e6;
        let tabs = course.tabs.iter().enumerate();
        tabs.map(|(index, &tabs)| (day(index), tabs as f64))
            .collect()
    };
    let of_whom = match pool.people() {
        people if people > courses.len() => {
            format!(
                "How many tabs were open, day by day: {} of {people} people.",
                courses.len()
            )
        }
        _ => "How many tabs were open, day by day.".to_owned(),
    };
    let by_idle = format!(
        "How likely a site is returned to within an hour, by how long it has been left. It goes on as \
         long as there are {FEWEST_AWAY} departures to tell it by."
    );
    let courses = courses.iter().zip(1..);
    let courses = courses
        .map(|(course, number)| Series::new(format!("person {number}"), Mark::Steps, days(course)))
        .collect();
    let share = |label: &str| Axis::new(label, Scale::Linear).from_to(0.0, 1.0);
    let plot = |title: &str, description: &str, x: Axis, y: Axis, series: Vec<Series>| Plot {
        title: title.to_owned(),
        description: description.to_owned(),
        x,
        y,
        series,
        labels: Vec::new(),
    };
    let plots = [
        (
            "still-away",
            plot(
                "Sites that are still away",
                "Of all times that a site was left, the share that nobody has come back to yet.",
                Axis::new("time since the site was left", Scale::Duration),
                share("share of departures"),
                vec![Series::new("", Mark::Steps, measures.still_away())],
            ),
        ),
        (
            "return-by-idle",
            plot(
                "Return within the next hour, by time away",
                &by_idle,
                Axis::new("time since the site was left", Scale::Duration),
                share("share that is returned to"),
                vec![Series::new("", Mark::Line, measures.return_by_idle())],
            ),
        ),
        (
            "page-dwell",
            plot(
                "Time on a page",
                "The share of visits that last longer, and the Weibull distribution that fits best.",
                Axis::new("time on the page", Scale::Duration),
                share("share that stays longer"),
                dwell,
            ),
        ),
        (
            "tabs-open",
            plot(
                "Open tabs",
                &of_whom,
                Axis::new("days from the beginning", Scale::Linear),
                Axis::new("tabs", Scale::Linear),
                courses,
            ),
        ),
    ];
    let is_known = |plot: &Plot| plot.series.iter().any(|series| !series.points.is_empty());
    plots
        .into_iter()
        .filter(|(_, plot)| is_known(plot))
        .collect()
}

fn write_svg(folder: &Path, plots: &[(&str, Plot)]) -> anyhow::Result<()> {
    for (name, plot) in plots {
        for theme in Theme::ALL {
            let file = folder.join(format!("{name}-{}.svg", theme.name()));
            let svg = plot.svg(theme, Form::Image)?;
            write_whole(&file, svg.as_bytes()).with_context(|| shown(&file))?;
        }
    }
    Ok(())
}

/// Writes the table and the plots as a page.
fn write_page(file: &Path, pool: &Pool, plots: &[(&'static str, Plot)]) -> anyhow::Result<()> {
    let rows = pool.rows();
    let judged = rows.iter().filter(|row| row.within.is_some()).count();
    let within = rows.iter().filter(|row| row.within == Some(true)).count();
    let people = people_count(pool.people());
    let summary = html! {
        p {
            (people) " beside what is known of how tabs are used. "
            (within) " of " (judged) " judged rows are within their tolerance."
        }
    };
    let made_from = format!("Made by sim {} from {people}.", env!("CARGO_PKG_VERSION"));
    let mut page = Page::new("How tabs are used", summary, &made_from);
    for (name, plot) in plots {
        let caption = html! { (plot.description) };
        page.section(name, plot.title.clone(), figure(plot, &caption)?);
    }
    page.section("rows", "Beside what is known", page_table(&rows));
    page.write(file)
}

fn page_table(rows: &[Row]) -> Markup {
    let range = |range: Option<(f64, f64)>| {
        range.map_or(String::new(), |(least, most)| format!("{least} to {most}"))
    };
    let number = |number: Option<f64>| number.map_or(String::new(), |it| it.to_string());
    let row = |row: &Row| {
        let got = html! {
            @match row.within {
                Some(true) => { span.unseen { "within the tolerance: " } }
                Some(false) => span.worst { i aria-hidden="true" { "✗" } span.unseen { "off: " } },
                None => {}
            }
            (number(row.got))
        };
        let about = html! {
            (row.about)
            @if let Some(absent) = &row.absent { " " em { "Not told: " (absent) } }
        };
        let source = html! { (row.published) " [" (row.mark.letter()) "]" };
        let text = [
            range(row.by_person),
            number(row.target),
            range(row.tolerance),
        ];
        let [by_person, target, tolerance] = text.map(|text| html! { (text) });
        let unit = html! { (row.unit) };
        page::Row::new(
            html! { (row.name) },
            vec![got, by_person, target, tolerance, unit, about, source],
        )
    };
    let columns = vec![
        Heading::text("row"),
        Heading::number("got", ""),
        Heading::number("by person", ""),
        Heading::number("target", ""),
        Heading::number("tolerance", ""),
        Heading::text("unit"),
        Heading::prose("what it is"),
        Heading::prose("source"),
    ];
    let table = Table::of_rows(
        "Each measure beside its target",
        columns,
        rows.iter().map(row).collect(),
    );
    html! { (table) }
}
