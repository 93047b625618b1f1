//! `sim sweep`: what becomes of a policy when its settings are changed?

mod args;
mod plan;
mod results;
mod rows;
mod shard;
mod workshop;

use std::fs;
use std::io::{self, BufRead, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use simulator::sweep::{Task, Unit};
use simulator::synth::draw::Draw;

use crate::commands::refuse_beside;
use crate::console::{Console, count, span};
use crate::outcome::Outcome;
use crate::reading::shown;
use crate::writing::write_whole;

pub(super) use args::SweepArgs;
pub(super) use plan::unit_traces;
pub(super) use results::thinned;
pub(crate) use rows::DamagedRows;
use workshop::batches;
pub(super) use workshop::{Workshop, abreast, each_in_parallel, progress};

use args::{SweepCollectArgs, SweepPart, SweepRunArgs, SweepSpace};
use plan::Plan;
use results::{Recheck, Results};
use rows::RowFile;
use shard::Shard;

/// One finished unit in so many is done again.
const RECHECKED_ONE_IN: usize = 20;

/// A sweep that takes longer has to be asked for twice.
const LONG: Duration = Duration::from_hours(24);

/// The stream of random numbers that the recheck is drawn from.
const RECHECK_STREAM: u64 = u64::MAX;

pub(crate) fn run(args: SweepArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    match args.part {
        None => sweep(&args, console),
        Some(SweepPart::Plan(space)) => write_plan(&space, console),
        Some(SweepPart::Run(args)) => carry_out(&args, console),
        Some(SweepPart::Collect(args)) => collect(&args, console),
    }
}

/// Plans, carries out, rechecks and collects.
fn sweep(args: &SweepArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let out = args
        .output
        .as_deref()
        .context("--output names the folder for the results")?;
    refuse_beside(out, &["tune.json"], "a tuning")?;
    let mut workshop = Workshop::new(args.space.cache, console);
    let plan = Plan::resolve(&args.space, &mut workshop, console)?;
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", shown(out)))?;
    let units = unit_lines(&plan.units)?;
    if !is_there(out, &units)? {
        write_whole(&out.join("units.jsonl"), units.as_bytes())?;
    }
    write_whole(&out.join("plan.toml"), plan.asked.to_toml()?.as_bytes())?;
    let mut rows = RowFile::open(&out.join("rows.jsonl"), console)?;
    let left: Vec<&Unit> = (plan.units.iter())
        .filter(|unit| !rows.has(&unit.unit))
        .collect();
    if left.len() < plan.units.len() {
        console.note(format_args!(
            "{} of {} are done already",
            plan.units.len() - left.len(),
            count(plan.units.len() as u64, "unit")
        ));
    }
    let threads = args.threads.unwrap_or_default().0;
    let left = begin(&left, &workshop, threads, args.long, &mut rows, console)?;
    workshop.carry_out(&left, threads, |unit, row| rows.push(&unit.unit, &row))?;
    rows.sync()?;

    let sample = recheck_sample(&plan.units, plan.asked.seed);
    let mut differing = 0;
    workshop.carry_out(&sample, threads, |unit, row| {
        if rows.row(&unit.unit)?.as_deref() != Some(&*row) {
            differing += 1;
            console.error(&anyhow::anyhow!(
                "unit {} came out otherwise when it was done again: {row}",
                unit.unit
            ));
        }
        Ok(())
    })?;
    let files = [rows];
    let Some(results) = Results::gather(&plan.units, &files, console)? else {
        return Ok(Outcome::No);
    };
    let recheck = Recheck {
        units: sample.len(),
        differing,
    };
    let told = results.write(out, Some(recheck))?;
    told.tell(args.json, console)?;
    Ok(told.outcome(console))
}

/// Does the first few units, to see how long the rest will take; returns the rest.
fn begin<'a>(
    left: &[&'a Unit],
    workshop: &Workshop,
    threads: usize,
    is_long_fine: bool,
    rows: &mut RowFile,
    console: &mut Console,
) -> anyhow::Result<Vec<&'a Unit>> {
    let batches = batches(left, threads);
    let first = batches
        .iter()
        .find(|batch| matches!(batch[0].task, Task::Score { .. }));
    let Some(first) = first else {
        return Ok(left.to_vec());
    };
    let (answers, took) = workshop.time(first)?;
    for (unit, row) in first.iter().zip(answers) {
        rows.push(&unit.unit, &row)?;
    }
    let lines_of = |units: &[&Unit]| units.iter().map(|unit| unit.trace.lines).sum::<u64>();
    let rest: Vec<&Unit> = (left.iter().copied())
        .filter(|unit| !rows.has(&unit.unit))
        .collect();
    let estimate = estimate(took, lines_of(first), lines_of(&rest), threads);
    if estimate > LONG && !is_long_fine {
        bail!(
            "{} are left, which will take about {} with {}; try fewer variants, share the units out \
             with `sim sweep plan` and `run`, or say --long",
            count(rest.len() as u64, "unit"),
            shown_duration(estimate),
            count(threads as u64, "thread")
        );
    }
    if estimate > Duration::from_mins(1) {
        console.note(format_args!(
            "{} are left, which will take about {}",
            count(rest.len() as u64, "unit"),
            shown_duration(estimate)
        ));
    }
    Ok(rest)
}

/// How long so many lines will take, going by some that took that long.
fn estimate(took: Duration, lines_done: u64, lines_left: u64, threads: usize) -> Duration {
    let factor = lines_left as f64 / lines_done.max(1) as f64 / threads.max(1) as f64;
    Duration::try_from_secs_f64(took.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

fn shown_duration(duration: Duration) -> String {
    span(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// Some units with a score, drawn anew for each seed.
fn recheck_sample(units: &[Unit], seed: u64) -> Vec<&Unit> {
    let mut scores: Vec<&Unit> = units
        .iter()
        .filter(|unit| matches!(unit.task, Task::Score { .. }))
        .collect();
    let wanted = scores.len().div_ceil(RECHECKED_ONE_IN);
    let mut draw = Draw::new(seed, RECHECK_STREAM);
    for place in 0..wanted {
        let other = place + draw.index(scores.len() - place);
        scores.swap(place, other);
    }
    scores.truncate(wanted);
    scores
}

fn write_plan(space: &SweepSpace, console: &mut Console) -> anyhow::Result<Outcome> {
    let mut workshop = Workshop::new(space.cache, console);
    let plan = Plan::resolve(space, &mut workshop, console)?;
    for unit in &plan.units {
        console.json(unit)?;
    }
    Ok(Outcome::Yes)
}

fn carry_out(args: &SweepRunArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    let mut workshop = Workshop::new(args.cache, console);
    let Some(file) = &args.units else {
        let input = io::stdin().lock();
        for (line, number) in input.lines().zip(1..) {
            let unit = parse_unit(&line?, Path::new("stdin"), number)?;
            workshop.prepare(&unit, console)?;
            for row in workshop.answers(&[&unit])? {
                console.line(row)?;
            }
            console.flush()?;
        }
        return Ok(Outcome::Yes);
    };
    let units = read_units(file)?;
    let shard = args.shard.unwrap_or(Shard { index: 1, of: 1 });
    let units = units
        .iter()
        .enumerate()
        .filter(|(index, _)| shard.has(*index));
    let units: Vec<&Unit> = units.map(|(_, unit)| unit).collect();
    for unit in &units {
        workshop.prepare(unit, console)?;
    }
    let threads = args.threads.unwrap_or_default().0;
    let Some(rows) = &args.rows else {
        workshop.carry_out(&units, threads, |_, row| console.line(row))?;
        return Ok(Outcome::Yes);
    };
    let mut rows = RowFile::open(rows, console)?;
    let left: Vec<&Unit> = units
        .into_iter()
        .filter(|unit| !rows.has(&unit.unit))
        .collect();
    workshop.carry_out(&left, threads, |unit, row| rows.push(&unit.unit, &row))?;
    rows.sync()?;
    Ok(Outcome::Yes)
}

fn collect(args: &SweepCollectArgs, console: &mut Console) -> anyhow::Result<Outcome> {
    refuse_beside(&args.output, &["tune.json"], "a tuning")?;
    let units = read_units(&args.units)?;
    let mut files = Vec::new();
    for path in &args.rows {
        files.push(RowFile::read(path, console)?);
    }
    let Some(results) = Results::gather(&units, &files, console)? else {
        return Ok(Outcome::No);
    };
    is_there(&args.output, &unit_lines(&units)?)?;
    fs::create_dir_all(&args.output)
        .with_context(|| format!("cannot make {}", shown(&args.output)))?;
    let told = results.write(&args.output, None)?;
    told.tell(args.json, console)?;
    Ok(told.outcome(console))
}

/// Whether a sweep with these units stands in a folder already. One with others must not.
fn is_there(out: &Path, units: &str) -> anyhow::Result<bool> {
    let file = out.join("units.jsonl");
    match fs::read(&file) {
        Ok(before) if before == units.as_bytes() => Ok(true),
        Ok(_) => bail!(
            "{}: another sweep stands here, of other traces, settings or another version of this \
             program; name another folder with --output, or remove this one",
            shown(out)
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", shown(&file))),
    }
}

fn unit_lines(units: &[Unit]) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    for unit in units {
        serde_json::to_writer(&mut lines, unit)?;
        writeln!(lines)?;
    }
    Ok(String::from_utf8(lines)?)
}

fn read_units(file: &Path) -> anyhow::Result<Vec<Unit>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", shown(file)))?;
    let lines = text.lines().zip(1..);
    lines
        .map(|(line, number)| parse_unit(line, file, number))
        .collect()
}

fn parse_unit(line: &str, file: &Path, number: usize) -> anyhow::Result<Unit> {
    let place = || format!("{}, line {number}", shown(file));
    let unit: Unit = serde_json::from_str(line)
        .with_context(|| format!("{}: not a unit as `sim sweep plan` writes it", place()))?;
    if !unit.is_whole() {
        bail!(
            "{}: the unit's id does not fit what it says: it was changed since it was planned",
            place()
        );
    }
    Ok(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_goes_by_lines_and_threads() {
        let took = Duration::from_secs(2);
        assert_eq!(
            estimate(took, 1_000, 1_000_000, 1),
            Duration::from_secs(2_000)
        );
        assert_eq!(
            estimate(took, 1_000, 1_000_000, 2),
            Duration::from_secs(1_000)
        );
        assert!(estimate(took, 0, u64::MAX, 1) > LONG);
    }
}
