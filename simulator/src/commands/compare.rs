//! `sim compare`: which policy is better, by how much, and how sure is that?

mod args;
mod columns;
mod page;
mod picture;
mod text;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use engine::{PRESETS, PolicyDocument, SEMANTICS, TtlClock};
use rayon::prelude::*;
use recorder::Trace;
use serde::Serialize;
use simulator::ablation;
use simulator::baselines::{self, Baseline};
use simulator::comparison::{
    ClairvoyantRun, Difference, Entrant, FEW, Finish, Heat, Loop, RESAMPLES, pooled,
};
use simulator::curve::{Curve, Family};
use simulator::replay::{Frontier, Point, Score, Step};

use super::{each_trace, note_what_is_not_scored};
use crate::console::{Console, count, number};
use crate::named_traces::{Distinct, named_traces};
use crate::outcome::Outcome;
use crate::people::{PersonArgs, people, people_count};
use crate::policy::{self, NamedPolicy};
use crate::reading::{Show, read, shown};

use columns::Column;

pub(super) use args::CompareArgs;

/// What takes part where nobody is named: our presets, and every baseline, with some of those
/// that have a number.
fn everybody() -> impl Iterator<Item = &'static str> {
    let baselines = baselines::ALL.iter().flat_map(Baseline::compared);
    PRESETS.into_iter().chain(baselines.copied())
}

/// These stand in every comparison.
const ALWAYS: [&str; 2] = ["lru-10", "never"];

const CLAIRVOYANT: &str = "clairvoyant";

/// How many lines all policies take in before the next are read.
const BATCH_LINES: usize = 4_096;

/// Everything that the command line says, resolved.
struct Plan {
    traces: Vec<PathBuf>,
    person: PersonArgs,
    policies: Vec<NamedPolicy>,
    /// From where on they are the base without one of its parts.
    ablated_from: usize,
    base: usize,
    seed: u64,
    loop_: Loop,
    families: Vec<Family>,
    columns: Vec<&'static Column>,
    format: Format,
    html: Option<PathBuf>,
    svg: Option<PathBuf>,
}

/// How the answer is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Markdown,
    Json,
}

impl Plan {
    fn resolve(args: CompareArgs) -> anyhow::Result<Self> {
        let mut names: Vec<&str> = args.policies.iter().map(String::as_str).collect();
        if names.is_empty() {
            names = everybody().collect();
        }
        let base_name = args.base.as_deref().unwrap_or(names[0]);
        names.extend(std::iter::once(base_name).chain(ALWAYS));
        let mut policies: Vec<NamedPolicy> = Vec::new();
        for name in names {
            if policies.iter().all(|policy| policy.name != name) {
                policies.push(policy::find(name, args.seed)?);
            }
        }
        let base = (policies.iter().position(|policy| policy.name == base_name))
            .context("the base takes part")?;
        let document = policies[base].document.clone();
        let ablated_from = policies.len();
        if args.ablate {
            let Some(document) = &document else {
                bail!(
                    "--ablate takes parts of our own policy away, and {base_name} is a baseline; \
                     name a preset or a policy file with --base"
                );
            };
            policies.extend(without_each_part(base_name, document));
        }
        let families = if args.curve {
            families(base_name, document.as_ref())
        } else {
            Vec::new()
        };
        Ok(Self {
            traces: args.traces,
            person: args.person,
            policies,
            ablated_from,
            base,
            seed: args.seed,
            loop_: if args.open_loop {
                Loop::Open
            } else {
                Loop::Closed
            },
            families,
            columns: columns::chosen(&args.columns)?,
            html: args.html,
            svg: args.svg,
            format: match (args.json, args.markdown) {
                (true, _) => Format::Json,
                (false, true) => Format::Markdown,
                (false, false) => Format::Text,
            },
        })
    }

    fn entrants(&self) -> Vec<Entrant> {
        self.policies.iter().map(NamedPolicy::entrant).collect()
    }
}

fn without_each_part(name: &str, document: &PolicyDocument) -> Vec<NamedPolicy> {
    let parts = ablation::PARTS.iter();
    let without = parts.filter_map(|part| {
        let without = part.without(document)?;
        let name = format!("{name} without {}", part.name);
        Some(NamedPolicy::of_document(&name, without))
    });
    without.collect()
}

fn families(name: &str, document: Option<&PolicyDocument>) -> Vec<Family> {
    let flat = [TtlClock::Active, TtlClock::Wall].map(Family::flat);
    let ours = document.map(|document| Family::of(name, document));
    flat.into_iter().chain(ours).collect()
}

pub(crate) fn run(args: CompareArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let plan = Plan::resolve(args)?;
    let entrants = plan.entrants();
    let mut finished = Vec::new();
    let mut distinct = Distinct::default();
    let named = named_traces(&plan.traces, console);
    let mut whose = plan.person.of_named(&named)?.into_iter();
    let mut outcome = each_trace(named, console, |path, trace, console| {
        let person = whose.next().unwrap_or_default();
        let one = run_trace(path, trace?, person, &plan, &entrants, console)?;
        distinct.take(path, &one.provenance.digest)?;
        finished.push(one);
        Ok(Outcome::Yes)
    })?;
    if finished.is_empty() {
        return Ok(outcome.max(Outcome::NotAnswered));
    }
    let comparison = compare(&plan, finished, console)?;
    match plan.format {
        Format::Json => console.json(&comparison)?,
        Format::Markdown => text::write_markdown(&comparison, console)?,
        Format::Text => text::write(&comparison, console)?,
    }
    if let Some(folder) = &plan.svg {
        picture::write(&comparison, folder)?;
    }
    if let Some(file) = &plan.html {
        page::write(&comparison, file)?;
    }
    for row in comparison.rows.iter().filter(|row| row.kind.is_ours()) {
        if row.pooled.violations > 0 {
            console.error(&anyhow::anyhow!(
                "{} discarded tabs that a hard guard protects: {}",
                row.name,
                row.pooled.violations
            ));
            outcome = outcome.max(Outcome::No);
        }
    }
    Ok(outcome)
}

/// A trace that every policy has gone through.
struct Finished {
    trace: Trace,
    provenance: Provenance,
    heat: Finish,
    /// The members of each family, one family after another.
    members: Vec<Vec<Score>>,
}

fn run_trace(
    path: &Path,
    trace: Trace,
    person: String,
    plan: &Plan,
    entrants: &[Entrant],
    console: &mut Console,
) -> anyhow::Result<Finished> {
    let protected_domains = &entrants[plan.base].protected_domains;
    let mut heat = Heat::new(entrants, plan.loop_, protected_domains);
    // The families are compared by what their timers alone do.
    let mut families: Vec<Heat> = (plan.families.iter())
        .map(|family| Heat::new(&family.members(), Loop::Open, protected_domains))
        .collect();
    let mut batch = Vec::with_capacity(BATCH_LINES);
    let mut take = |batch: &mut Vec<Step>| {
        rayon::join(
            || heat.take(batch),
            || {
                let families = families.par_iter_mut();
                families.for_each(|family| family.take(batch));
            },
        );
        batch.clear();
    };
    let ending = read(&trace, Show::Progress, console, |line, _| {
        batch.extend(Step::of(line));
        if batch.len() == BATCH_LINES {
            take(&mut batch);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    take(&mut batch);
    let heat = heat.finish();
    note_what_is_not_scored(path, &trace, heat.scores[plan.base].samples > 0, console);
    let header = trace.header();
    Ok(Finished {
        provenance: Provenance {
            path: path.display().to_string(),
            session: header.session.to_string(),
            person,
            lines: ending.lines,
            digest: ending.digest,
        },
        trace,
        heat,
        members: families
            .into_iter()
            .map(|family| family.finish().scores)
            .collect(),
    })
}

/// Puts all traces together. The clairvoyant is given as many reloads as the base took, and spends
/// them on the traces where they save most.
fn compare(
    plan: &Plan,
    finished: Vec<Finished>,
    console: &mut Console,
) -> anyhow::Result<Comparison> {
    let frontiers: Vec<Frontier> = finished
        .iter()
        .map(|one| one.heat.foresight.frontier())
        .collect();
    let frontier = (frontiers.iter()).fold(Frontier::default(), Frontier::pooled);
    let people = people(finished.iter().map(|one| one.provenance.person.clone()));
    let base: Vec<Score> = scores_of(&finished, plan.base);
    let reloads = base.iter().map(|score| score.reloads).sum();
    let mut rows: Vec<Row> = Vec::new();
    for (index, policy) in plan.policies.iter().enumerate() {
        let scores = scores_of(&finished, index);
        let kind = match policy.is_ours() {
            true if index >= plan.ablated_from => Kind::Ablation,
            true => Kind::Ours,
            false => Kind::Baseline,
        };
        rows.push(Row {
            name: policy.name.clone(),
            kind,
            hash: policy.hash.clone(),
            not_observable: (policy.policy.not_observable().iter())
                .map(|what| (*what).to_owned())
                .collect(),
            pooled: pooled(&scores, &frontier),
            against_base: (index != plan.base)
                .then(|| Difference::between(&base, &scores, &people, plan.seed)),
            each: scores,
        });
    }
    let mut clairvoyant = Vec::new();
    for (one, reloads) in finished.iter().zip(Frontier::spent(&frontiers, reloads)) {
        let foresight = &one.heat.foresight;
        let mut run = ClairvoyantRun::new(foresight, reloads, plan.loop_);
        read(&one.trace, Show::ProgressAgain, console, |line, _| {
            run.take(line);
            Ok(ControlFlow::Continue(()))
        })?;
        clairvoyant.push(run.finish(foresight));
    }
    rows.push(Row {
        name: CLAIRVOYANT.to_owned(),
        kind: Kind::Clairvoyant,
        hash: None,
        not_observable: Vec::new(),
        pooled: pooled(&clairvoyant, &frontier),
        against_base: Some(Difference::between(&base, &clairvoyant, &people, plan.seed)),
        each: clairvoyant,
    });
    rows.sort_by_key(|row| row.kind);
    let curves = plan.families.iter().enumerate().map(|(family, of)| {
        let members = finished[0].members[family].len();
        let scores: Vec<Score> = (0..members)
            .map(|member| {
                let each = finished.iter().map(|one| &one.members[family][member]);
                pooled(each, &frontier)
            })
            .collect();
        Curve::new(of, &scores)
    });
    Ok(Comparison {
        type_name: "comparison",
        curves: curves.collect(),
        base: plan.policies[plan.base].name.clone(),
        seed: plan.seed,
        people: people.len(),
        resamples: RESAMPLES,
        engine: SEMANTICS,
        sim: env!("CARGO_PKG_VERSION"),
        frontier: frontier.points().collect(),
        rows,
        columns: plan.columns.clone(),
        traces: finished.into_iter().map(|one| one.provenance).collect(),
    })
}

fn scores_of(finished: &[Finished], policy: usize) -> Vec<Score> {
    finished
        .iter()
        .map(|one| one.heat.scores[policy].clone())
        .collect()
}

/// Everything that a comparison found.
#[derive(Serialize)]
struct Comparison {
    #[serde(rename = "type")]
    type_name: &'static str,
    traces: Vec<Provenance>,
    /// The policy that the others are held against.
    base: String,
    seed: u64,
    /// How many people the traces are of.
    people: usize,
    /// How often people were drawn anew for an interval, each with all of their traces.
    resamples: usize,
    engine: u32,
    sim: &'static str,
    /// Ours first, the clairvoyant last. A row's number is its place, from 1.
    rows: Vec<Row>,
    /// What is shown of them to people.
    #[serde(skip)]
    columns: Vec<&'static Column>,
    /// The pooled frontier.
    frontier: Vec<Point>,
    curves: Vec<Curve>,
}

#[derive(Serialize)]
struct Provenance {
    path: String,
    session: String,
    /// Whose it is.
    person: String,
    lines: u64,
    digest: String,
}

/// A policy and what it came to.
#[derive(Serialize)]
struct Row {
    name: String,
    kind: Kind,
    /// The hash of its document; a baseline has none.
    hash: Option<String>,
    not_observable: Vec<String>,
    pooled: Score,
    against_base: Option<Difference>,
    /// The same for each trace, in order.
    each: Vec<Score>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Ours,
    Ablation,
    Baseline,
    Clairvoyant,
}

impl Kind {
    fn is_ours(self) -> bool {
        matches!(self, Self::Ours | Self::Ablation)
    }
}

impl Row {
    /// Whether it takes part in best and worst: whoever discards nothing is best at reloads, and
    /// nobody can be a clairvoyant.
    fn is_ranked(&self) -> bool {
        self.kind != Kind::Clairvoyant && self.pooled.discards > 0
    }
}

impl Comparison {
    /// How its intervals were drawn, and what they are worth.
    fn drawn(&self) -> String {
        let mut drawn = format!(
            "Bootstrap over people, each with all of their traces: {} draws, both policies always \
             on the same ones.",
            number(self.resamples as u64)
        );
        if self.people == self.traces.len() {
            drawn += " Each trace is taken for another person's; --person says whose they are.";
        }
        if self.people < FEW {
            drawn += &format!(
                " With {} an interval means little: it is narrower than it should be, and it takes \
                 {FEW} people.",
                people_count(self.people)
            );
        }
        drawn
    }

    /// The row that the others are held against.
    fn base_row(&self) -> &Row {
        let base = self.rows.iter().find(|row| row.name == self.base);
        base.expect("the base takes part")
    }

    /// What the differences are taken over.
    fn taken_over(&self) -> String {
        format!(
            "{} of {}",
            count(self.traces.len() as u64, "trace"),
            people_count(self.people)
        )
    }

    /// What it was made from, for people.
    fn made_from(&self) -> String {
        let traces: Vec<String> = (self.traces.iter())
            .map(|trace| shown(Path::new(&trace.path)))
            .collect();
        let traces = match traces.len() {
            count if count > 6 => format!("{count} traces"),
            _ => traces.join(", "),
        };
        format!(
            "{traces}; engine {}, sim {}, seed {}",
            self.engine, self.sim, self.seed
        )
    }
}
