//! What a sweep is to do: resolved into units of work.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use simulator::comparison::Loop;
use simulator::sweep::{
    Conditions, Design, Dimension, MOST_VARIANTS, Space, Task, Unit, UnitTrace, Variant,
};

use super::super::note_what_is_not_scored;
use super::args::SweepSpace;
use super::workshop::Workshop;
use crate::console::{Console, count};
use crate::named_traces::{Distinct, open_all, short_names};
use crate::policy;
use crate::reading::shown;

/// These run beside the variants of every sweep, and the base.
const ALWAYS: [&str; 2] = ["never", "lru-10"];

/// A sweep, resolved.
pub(super) struct Plan {
    pub(super) asked: Asked,
    pub(super) units: Vec<Unit>,
}

/// What was asked for, as it stands in `plan.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    traces: Vec<PathBuf>,
    vary: Vec<String>,
    #[serde(default = "default_base")]
    base: String,
    #[serde(default)]
    with: Vec<String>,
    #[serde(default)]
    design: AskedDesign,
    /// How many samples, unless it is a grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    samples: Option<usize>,
    #[serde(default)]
    pub(super) seed: u64,
    #[serde(default)]
    open_loop: bool,
    #[serde(default = "yes")]
    frontier: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AskedDesign {
    #[default]
    Grid,
    LatinHypercube,
    Sobol,
}

fn default_base() -> String {
    "default".to_owned()
}

fn yes() -> bool {
    true
}

impl Asked {
    fn of(args: &SweepSpace) -> anyhow::Result<Self> {
        if let Some(file) = &args.plan {
            return Self::read(file);
        }
        let (design, samples) = match (args.latin_hypercube, args.sobol) {
            (Some(samples), _) => (AskedDesign::LatinHypercube, Some(samples)),
            (None, Some(samples)) => (AskedDesign::Sobol, Some(samples)),
            (None, None) => (AskedDesign::Grid, None),
        };
        Ok(Self {
            traces: args.traces.clone(),
            vary: args.vary.clone(),
            base: args.base.clone(),
            with: args.with.clone(),
            design,
            samples,
            seed: args.seed,
            open_loop: args.open_loop,
            frontier: !args.no_frontier,
        })
    }

    /// Reads a plan. Its paths are as seen from where the command runs.
    fn read(file: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(file);
        let text = text.with_context(|| format!("cannot read the plan {}", shown(file)))?;
        let asked: Self =
            toml::from_str(&text).with_context(|| format!("{} is not a plan", shown(file)))?;
        asked.design().with_context(|| shown(file))?;
        Ok(asked)
    }

    pub(super) fn to_toml(&self) -> anyhow::Result<String> {
        Ok(toml::to_string(self)?)
    }

    fn design(&self) -> anyhow::Result<Design> {
        Ok(match (self.design, self.samples) {
            (AskedDesign::Grid, None) => Design::Grid,
            (AskedDesign::LatinHypercube, Some(samples)) => Design::LatinHypercube(samples),
            (AskedDesign::Sobol, Some(samples)) => Design::Sobol(samples),
            (AskedDesign::Grid, Some(samples)) => bail!(
                "samples: found {samples}, expected none in a grid; leave it out, or say \
                 design = \"sobol\" or \"latin-hypercube\""
            ),
            (_, None) => bail!("samples: missing; say how many, such as samples = 256"),
        })
    }
}

impl Plan {
    /// Opens the traces, chooses the variants and makes the units.
    pub(super) fn resolve(
        args: &SweepSpace,
        workshop: &mut Workshop,
        console: &mut Console,
    ) -> anyhow::Result<Self> {
        let asked = Asked::of(args)?;
        let (_, base) = policy::find_ours(&asked.base, asked.seed, "vary")?;
        let dimensions = asked.vary.iter().map(|text| Dimension::parse(text));
        let space = Space::new(base, dimensions.collect::<Result<_, _>>()?)?;
        let variants = variants(asked.design()?, &space, asked.seed, console)?;
        let tasks = tasks(&asked, &space, &variants)?;
        let mut units = Vec::with_capacity(asked.traces.len() * tasks.len());
        for trace in unit_traces(&asked.traces, workshop, console)? {
            let of_trace = |task: &Task| Unit::new(trace.clone(), task.clone());
            units.extend(tasks.iter().map(of_trace));
        }
        Ok(Self { asked, units })
    }
}

/// Chooses the variants.
fn variants(
    design: Design,
    space: &Space,
    seed: u64,
    console: &mut Console,
) -> anyhow::Result<Vec<Variant>> {
    let points = design.point_count(space)?;
    let Some(points) = points.filter(|points| (1..=MOST_VARIANTS).contains(points)) else {
        let found = points.map_or("more than can be counted".to_owned(), |it| it.to_string());
        bail!(
            "found {found} variants, expected 1 to {MOST_VARIANTS}; take fewer steps, or samples \
             with --sobol"
        );
    };
    let variants = design.variants(space, seed)?;
    if variants.is_empty() {
        let first: Vec<_> = space.dimensions().iter().map(|it| it.at(0.0)).collect();
        let error = space.document(&first).err();
        let why = error.map_or(String::new(), |error| format!(": {error}"));
        bail!("none of the {points} variants is a valid policy{why}");
    }
    if variants.len() < points {
        console.note(format_args!(
            "{} of {} are left out: they are no valid policy, or the same as another",
            points - variants.len(),
            count(points as u64, "variant")
        ));
    }
    Ok(variants)
}

/// What is done with each trace: the frontier, the policies that are held beside, the variants.
fn tasks(asked: &Asked, space: &Space, variants: &[Variant]) -> anyhow::Result<Vec<Task>> {
    let conditions = Conditions {
        loop_: if asked.open_loop {
            Loop::Open
        } else {
            Loop::Closed
        },
        frontier: asked.frontier,
        seed: asked.seed,
        base: space.base().clone(),
    };
    let with = asked.with.iter().map(String::as_str);
    let mut names = vec![asked.base.as_str()];
    for name in ALWAYS.into_iter().chain(with) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut tasks = Vec::new();
    if conditions.frontier {
        tasks.push(conditions.frontier_task());
    }
    for name in names {
        let policy = policy::find(name, asked.seed)?;
        tasks.push(conditions.reference_task(space, name, policy.document.as_ref()));
    }
    tasks.extend(variants.iter().map(|it| conditions.variant_task(space, it)));
    Ok(tasks)
}

/// Opens the traces and finds a short name for each that no other has.
pub(in super::super) fn unit_traces(
    paths: &[PathBuf],
    workshop: &mut Workshop,
    console: &mut Console,
) -> anyhow::Result<Vec<UnitTrace>> {
    let named = open_all(paths, console)?;
    let names = short_names(named.iter().map(|(path, _)| &**path));
    let mut distinct = Distinct::default();
    let mut traces: Vec<UnitTrace> = Vec::new();
    for ((path, trace), name) in named.iter().zip(names) {
        let about = workshop.open(path, trace, console)?;
        distinct.take(path, &about.digest)?;
        let is_sampled = workshop.trace(&about.digest)?.is_sampled();
        note_what_is_not_scored(path, trace, is_sampled, console);
        traces.push(UnitTrace {
            name,
            path: path.display().to_string(),
            digest: about.digest,
            lines: about.lines,
        });
    }
    Ok(traces)
}
