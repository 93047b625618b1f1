//! The page of a report, from its figures.

use std::path::Path;

use maud::{Markup, html};
use simulator::comparison::Estimate;
use simulator::replay::Rates;

use super::figures::{Course, Kind, Place, Policy, Report, Role, Sensitivity};
use super::plots::{self, POINTS_MAX};
use super::{Words, early_returns, shown_value};
use crate::console::{Safe, count, number};
use crate::page::{self, Group, Heading, Page, Table, aligned, figure, multiples};

/// So many policies of a front stand in the table; of more, some that are evenly spread.
const FRONT_SHOWN: usize = 60;

pub(super) fn write(report: &Report, file: &Path) -> anyhow::Result<()> {
    let version = &report.provenance.version;
    let made_from = format!(
        "Made by sim {} from {}, engine {}, seed {}.",
        version.sim,
        count(report.provenance.traces.len() as u64, "trace"),
        version.engine,
        report.provenance.seed
    );
    let mut page = Page::new(
        &Safe(&report.title).to_string(),
        summary(report),
        &made_from,
    );
    page.section("savings", "Memory saved against reloads", savings(report)?);
    if !report.evidence.is_empty() {
        page.section("held-out", "Where nobody had looked", held_out(report)?);
    }
    page.section(
        "sensitivity",
        "What each setting does",
        sensitivity(report)?,
    );
    if let Some(partition) = &report.partition {
        let caption = html! {
            "Of each side the variants that no other of that side beats in both savings and early \
            returns. Where the line with the partition lies lower, knowing what belongs together \
            does what a longer threshold alone cannot."
        };
        let figure = figure(&plots::partition(partition), &caption)?;
        page.section("partition", "Partition first, threshold second", figure);
    }
    if !report.timelines.is_empty() {
        page.section(
            "timeline",
            "How a trace goes",
            timelines(&report.timelines)?,
        );
    }
    page.section("variants", "The variants", variants(report));
    page.section("provenance", "What it was made from", provenance(report));
    page.write(file)
}

fn summary(report: &Report) -> Markup {
    let mut answer = report.answer.iter();
    html! {
        p { (Safe(&report.question)) }
        p {
            @if let Some(first) = answer.next() { strong { (Safe(first)) } }
        }
        p { @for sentence in answer { (Safe(sentence)) " " } }
    }
}

fn savings(report: &Report) -> anyhow::Result<Markup> {
    let has_place = |it: &&Policy| Place::of(&it.rates).is_some();
    if !report.policies.iter().any(|it| it.is_on_front) {
        return Ok(html! {
            p {
                "There is no front: on these traces nothing could be saved, or nobody was there. \
                Without readings of memory, or with no tab in the background, all variants are the \
                same."
            }
        });
    }
    let drawn = report.policies.iter().filter(has_place).count();
    let caption = html! {
        "Upwards is more saved, to the left are fewer reloads. "
        @if report.frontier.is_empty() {
            "How much could be saved at most was not asked for. "
        } @else {
            "Nobody who keeps our guards can lie above the stepped line. "
        }
        "Distances along the lower axis grow as the square root."
        @if drawn > POINTS_MAX {
            " Of " (number(drawn as u64)) " variants about " (number(POINTS_MAX as u64)) " are drawn."
        }
    };
    let named = report.policies.iter().filter(|it| it.role != Role::Variant);
    Ok(html! {
        (figure(&plots::savings(report), &caption)?)
        ul.key {
            @for policy in named {
                li {
                    span { (Safe(&policy.name)) }
                    small {
                        (Words(policy.rates.saved_share).percent()) " saved, "
                        (early_returns(&policy.rates))
                    }
                }
            }
        }
    })
}

fn held_out(report: &Report) -> anyhow::Result<Markup> {
    let headings = vec![
        Heading::text("policy"),
        Heading::number("saved", "%"),
        Heading::number("early", "%"),
        Heading::number("reloads", "/ h"),
        Heading::number("saved more", "points"),
        Heading::number("early more", "points"),
        Heading::number("reloads more", "/ h"),
        Heading::number("HIGH more", "min / h"),
        Heading::number("more for", "people"),
    ];
    let row = |name: &str, rates: &Rates, differences: [String; 5]| {
        let cells = came_to(rates).into_iter().chain(differences);
        page::Row::new(
            html! { (Safe(name)) },
            cells.map(|it| html! { (it) }).collect(),
        )
    };
    let groups = report.evidence.iter().map(|it| {
        let others = it.against.iter().map(|judged| {
            let evidence = &judged.evidence;
            let differences = [
                interval(evidence.saved_share, 100.0, 1),
                interval(evidence.early_return_rate, 100.0, 1),
                interval(evidence.reloads_per_active_hour, 1.0, 2),
                interval(evidence.high_minutes_per_awake_hour, 1.0, 2),
                (evidence.gain).map_or("–".to_owned(), |it| {
                    format!("{} of {}", it.more, it.people)
                }),
            ];
            row(&judged.name, &judged.rates, differences)
        });
        let chosen = page::Row {
            is_strong: true,
            ..row("what was chosen", &it.tuned, Default::default())
        };
        let rows = std::iter::once(chosen).chain(others);
        Group {
            name: it.about,
            rows: rows.collect(),
        }
    });
    let table = Table {
        caption: "What was chosen against others, on what was held out".to_owned(),
        columns: headings,
        groups: groups.collect(),
    };
    let has_fronts = report.held_out.iter().any(|it| !it.held_out.is_empty());
    let abouts: Vec<&str> = report.held_out.iter().map(|it| &*it.about).collect();
    let caption = html! {
        "Each search has a front in training, the discs, and the same policies on what it did not \
        see, the rings. The nearer they lie, the less of it is luck. Held out in turn: "
        (Safe(&abouts.join("; "))) "."
    };
    Ok(html! {
        p {
            "What each search chose is judged on people, or on a time, that it did not see. \
            The differences are of what was chosen from each other policy, with 95 % intervals drawn over \
            people."
        }
        (table)
        @if has_fronts { (figure(&plots::held_out(&report.held_out), &caption)?) }
    })
}

/// A difference with its interval.
fn interval(of: Option<Estimate>, factor: f64, decimals: usize) -> String {
    of.map_or("–".to_owned(), |it| {
        let [value, low, high] = [it.value, it.low, it.high].map(|it| factor * it);
        format!("{value:+.decimals$} [{low:+.decimals$}, {high:+.decimals$}]")
    })
}

fn sensitivity(report: &Report) -> anyhow::Result<Markup> {
    if report.sensitivity.is_empty() {
        return Ok(html! { p { "Nothing was chosen whose settings could be changed." } });
    }
    let mut groups = Vec::new();
    for of in &report.sensitivity {
        let title = html! {
            code { (of.setting) } " = " (Safe(&shown_value(&of.marked)))
            @if is_flat(of) { " " small { "makes no difference here" } }
        };
        groups.push((title, plots::sensitivity(of, &report.sensitivity).into()));
    }
    Ok(html! {
        p { (report.sensitivity_is) " The upper axes are the same for all settings, and so are the \
            lower ones, so that what matters looks as if it did." }
        (multiples(&groups)?)
    })
}

/// Whether every value comes to the same.
fn is_flat(of: &Sensitivity) -> bool {
    let shown = of.points.iter().map(|it| {
        let shown = |spread: Option<super::figures::Spread>, factor: f64| {
            spread.map(|it| format!("{:.1}", factor * it.mean))
        };
        let shares = [it.saved_share, it.early_return_rate].map(|it| shown(it, 100.0));
        (shares, shown(it.reloads_per_active_hour, 10.0))
    });
    let mut shown: Vec<_> = shown.collect();
    shown.dedup();
    of.points.len() > 1 && shown.len() == 1
}

fn timelines(courses: &[Course]) -> anyhow::Result<Markup> {
    let mut parts = Vec::new();
    for course in courses {
        let plots = plots::course(&course.timeline);
        let caption = html! {
            "Over the time that the user was there: nights and absences are left out. A stem is what \
            happened in " (crate::console::span(course.timeline.width_ms.max(1_000)))
            "; a diamond is a return within 10 minutes of the user's time."
        };
        let figure = aligned(
            plots.pressure.as_ref(),
            &plots.tabs,
            &plots.events,
            &caption,
        )?;
        let rate =
            (course.discards > 0).then(|| course.early_returns as f64 / course.discards as f64);
        parts.push(html! {
            h3 { (Safe(&course.trace)) " under " (Safe(&course.policy)) }
            p {
                (format!("{:.1}", course.active_hours)) " hours of the user's time: "
                (format!("{:.3}", course.saved_gib_h)) " GiB·h saved, "
                (Words(course.saved_share).percent()) " of what lay in the background, with "
                (Words(rate).percent()) " early returns; " (count(course.discards, "discard")) ", "
                (count(course.reloads, "return")) ", " (number(course.early_returns)) " early."
            }
            @if plots.pressure.is_none() {
                p.note {
                    "There is no sample of memory in this trace: what the pressure was is not known, \
                    and a policy that waits for pressure decides nothing."
                }
            }
            (figure)
        });
    }
    Ok(html! { @for part in parts { (part) } })
}

fn variants(report: &Report) -> Markup {
    let of = |role: Role| report.policies.iter().filter(move |it| it.role == role);
    let on_front: Vec<&Policy> = by_reloads(report.policies.iter().filter(|it| it.is_on_front));
    let shown = super::super::sweep::thinned(&on_front, FRONT_SHOWN);
    let settings = report.varied.iter().map(|name| Heading::text(name));
    let mut columns = vec![
        Heading::text("policy"),
        Heading::number("saved", "%"),
        Heading::number("early", "%"),
        Heading::number("reloads", "/ h"),
        Heading::number("saved", "GiB·h"),
        Heading::number("discards", ""),
        Heading::number("reloads", ""),
        Heading::number("HIGH", "min / h"),
    ];
    columns.extend(settings);
    let row = |name: &str, policy: &Policy| page::Row {
        is_strong: policy.role == Role::Chosen,
        ..page::Row::new(html! { (Safe(name)) }, cells(policy, &report.varied))
    };
    let named = |role| of(role).map(|it| row(&it.name, it)).collect();
    let front = shown
        .iter()
        .zip(1..)
        .map(|(it, place): (&&Policy, usize)| row(&format!("{place}"), it));
    let groups = [
        ("To compare", named(Role::Reference)),
        ("Chosen", named(Role::Chosen)),
        (
            "Beaten by no other, those with fewest reloads first",
            front.collect(),
        ),
    ];
    let groups = groups
        .into_iter()
        .filter(|(_, rows): &(_, Vec<_>)| !rows.is_empty());
    let table = Table {
        caption: "Policies and what they came to on all traces".to_owned(),
        columns,
        groups: groups.map(|(name, rows)| Group { name, rows }).collect(),
    };
    html! {
        (table)
        @if shown.len() < on_front.len() {
            p.note { (shown.len()) " of the " (on_front.len()) " on the front, evenly spread." }
        }
        p.note { (others(report)) }
        @if !report.changed.is_empty() { (changed(report)) }
    }
}

fn by_reloads<'a>(policies: impl Iterator<Item = &'a Policy>) -> Vec<&'a Policy> {
    let mut policies: Vec<&Policy> = policies.collect();
    let reloads = |it: &Policy| it.rates.reloads_per_active_hour.unwrap_or(f64::INFINITY);
    policies.sort_by(|a, b| reloads(a).total_cmp(&reloads(b)));
    policies
}

/// What was saved in percent, and at what price: early returns in percent, reloads an hour.
fn came_to(rates: &Rates) -> [String; 3] {
    let percent = |share: Option<f64>| Words(share.map(|it| 100.0 * it)).decimal(1);
    [
        percent(rates.saved_share),
        percent(rates.early_return_rate),
        Words(rates.reloads_per_active_hour).decimal(2),
    ]
}

fn cells(policy: &Policy, varied: &[String]) -> Vec<Markup> {
    let rates = &policy.rates;
    let sums = [
        format!("{:.3}", rates.saved_gib_h),
        number(rates.discards),
        number(rates.reloads),
        Words(rates.high_minutes_per_awake_hour).decimal(2),
    ];
    let settings = varied.iter().map(|name| match policy.settings.get(name) {
        Some(value) => html! { (Safe(&shown_value(value))) },
        None => html! {},
    });
    came_to(rates)
        .into_iter()
        .chain(sums)
        .map(|it| html! { (it) })
        .chain(settings)
        .collect()
}

/// The variants that do not stand in the table, summed up.
fn others(report: &Report) -> String {
    let others = report
        .policies
        .iter()
        .filter(|it| it.role == Role::Variant && !it.is_on_front);
    let others: Vec<&Rates> = others.map(|it| &it.rates).collect();
    if others.is_empty() {
        return "There are no other variants.".to_owned();
    }
    let range = |pick: fn(&Rates) -> Option<f64>, factor: f64, decimals: usize| {
        let known = || others.iter().filter_map(|it| pick(it));
        let ends = known()
            .min_by(f64::total_cmp)
            .zip(known().max_by(f64::total_cmp));
        ends.map_or("–".to_owned(), |(least, most)| {
            format!(
                "{:.decimals$} to {:.decimals$}",
                factor * least,
                factor * most
            )
        })
    };
    format!(
        "{} more are beaten by one of these in savings or reloads, or come to the same: they save {} \
         % with {} % early returns and {} reloads an hour. All of them are in the folder.",
        count(others.len() as u64, "variant"),
        range(|it| it.saved_share, 100.0, 1),
        range(|it| it.early_return_rate, 100.0, 1),
        range(|it| it.reloads_per_active_hour, 1.0, 2)
    )
}

fn changed(report: &Report) -> Markup {
    let rows = report.changed.iter().map(|it| {
        let cells = [&it.from, &it.to].map(|value| html! { (Safe(&shown_value(value))) });
        page::Row::new(html! { code { (it.setting) } }, cells.into())
    });
    let columns = ["setting", "base", "chosen"].map(Heading::text);
    let table = Table::of_rows(
        "What the chosen policy changes",
        columns.into(),
        rows.collect(),
    );
    html! {
        h3 { "What the chosen policy changes" }
        (table)
    }
}

fn provenance(report: &Report) -> Markup {
    let provenance = &report.provenance;
    let code = |text: &str| html! { code { (Safe(text)) } };
    let traces = provenance.traces.iter().map(|trace| {
        let cells = vec![html! { (number(trace.lines)) }, code(&trace.digest)];
        page::Row::new(html! { (Safe(&trace.name)) }, cells)
    });
    let courses = report.timelines.iter().map(|course| {
        let name = html! { (Safe(&course.trace)) ", for its timeline" };
        page::Row::new(
            name,
            vec![html! { (number(course.lines)) }, code(&course.digest)],
        )
    });
    let table = Table::of_rows(
        "Traces",
        vec![
            Heading::text("trace"),
            Heading::number("lines", ""),
            Heading::text("digest"),
        ],
        traces.chain(courses).collect(),
    );
    let version = &provenance.version;
    let verb = match report.of {
        Kind::Tune => "tune",
        Kind::Sweep => "sweep",
    };
    html! {
        (table)
        dl {
            dt { "Found by" }
            dd { "sim " (verb) ", sim " (version.sim) ", engine " (version.engine) ", rows " (version.rows) }
            dt { "Seed" }
            dd { (provenance.seed) ": the same folder, traces and version give this page again, byte for byte" }
            @for fact in &provenance.facts {
                dt { (fact.name) } dd { (Safe(&fact.value)) }
            }
        }
    }
}
