//! The traces, whose they are, and what policies came to on them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use engine::PolicyDocument;
use simulator::comparison::{self, Entrant, Loop, Person};
use simulator::replay::{Foresight, Tally};
use simulator::sweep::{UnitTrace, Variant};
use simulator::tune::Cells;

use crate::commands::sweep::{Workshop, abreast, each_in_parallel, unit_traces};
use crate::console::Console;
use crate::people::{PersonArgs, people};
use crate::policy::NamedPolicy;

/// Traces that policies are run over.
pub(super) struct Bench {
    pub(super) people: Vec<Person>,
    pub(super) traces: Vec<UnitTrace>,
    workshop: Workshop,
    /// Where each trace's windows end, but for the last.
    ends_ms: Vec<Vec<i64>>,
    threads: usize,
    /// What policies of ours came to, by the hash of their document.
    known: BTreeMap<String, Arc<Cells>>,
}

impl Bench {
    /// Opens the traces. `person` says whose they are. A person's time is cut into so many windows of equal length.
    pub(super) fn open(
        paths: &[PathBuf],
        person: &PersonArgs,
        windows: usize,
        threads: usize,
        mut workshop: Workshop,
        console: &mut Console,
    ) -> anyhow::Result<Self> {
        let traces = unit_traces(paths, &mut workshop, console)?;
        let names: Vec<String> = traces.iter().map(|it| it.name.clone()).collect();
        let people = people(person.of_each(&names)?);
        let mut ends_ms = vec![Vec::new(); traces.len()];
        for person in &people {
            let mut spans = Vec::new();
            for &trace in &person.traces {
                spans.extend(workshop.trace(&traces[trace].digest)?.span_ms());
            }
            let from = spans.iter().map(|span| span.0).min().unwrap_or(0);
            let to = spans.iter().map(|span| span.1).max().unwrap_or(from);
            let windows = i64::try_from(windows)?;
            let end = |window| from + (to.saturating_sub(from) / windows).saturating_mul(window);
            for &trace in &person.traces {
                ends_ms[trace] = (1..windows).map(end).collect();
            }
        }
        Ok(Self {
            people,
            traces,
            workshop,
            ends_ms,
            threads,
            known: BTreeMap::new(),
        })
    }

    /// How many policies of ours were run.
    pub(super) fn policies_run(&self) -> usize {
        self.known.len()
    }

    /// What variants come to, each run once.
    pub(super) fn cells_of(&mut self, variants: &[&Variant]) -> anyhow::Result<Vec<Arc<Cells>>> {
        let hashes: Vec<String> = variants.iter().map(|it| it.document.hash()).collect();
        let mut fresh: BTreeMap<&String, Entrant> = BTreeMap::new();
        for (hash, variant) in hashes.iter().zip(variants) {
            if !self.known.contains_key(hash) {
                fresh
                    .entry(hash)
                    .or_insert_with(|| entrant(&variant.document));
            }
        }
        let (names, entrants): (Vec<&String>, Vec<Entrant>) = fresh.into_iter().unzip();
        let cells = self.cells(&entrants)?;
        self.known.extend(names.into_iter().cloned().zip(cells));
        let cells = hashes.iter().map(|hash| self.known.get(hash).cloned());
        cells.collect::<Option<_>>().context("each was run")
    }

    /// What policies come to, in their order.
    pub(super) fn cells(&self, entrants: &[Entrant]) -> anyhow::Result<Vec<Arc<Cells>>> {
        let windows = self.ends_ms.first().map_or(0, Vec::len) + 1;
        let nobody = vec![vec![Tally::default(); windows]; self.people.len()];
        let mut all = vec![Cells(nobody); entrants.len()];
        let mut person_of = vec![0; self.traces.len()];
        for (person, of) in self.people.iter().enumerate() {
            for &trace in &of.traces {
                person_of[trace] = person;
            }
        }
        let a_group = abreast(entrants.len() * self.traces.len(), self.threads);
        let groups = (0..).step_by(a_group).zip(entrants.chunks(a_group));
        let work: Vec<(usize, usize, &[Entrant])> = groups
            .flat_map(|(first, group)| (0..self.traces.len()).map(move |it| (it, first, group)))
            .collect();
        each_in_parallel(
            &work,
            self.threads,
            |&(trace, _, group)| {
                let packed = self.workshop.trace(&self.traces[trace].digest)?;
                let ends_ms = &self.ends_ms[trace];
                Ok(comparison::run_in_parts(
                    group,
                    packed,
                    Loop::Closed,
                    ends_ms,
                )?)
            },
            |&(trace, first, _), of_group| {
                // Sums of whole numbers are the same in any order.
                for (cells, parts) in all[first..].iter_mut().zip(of_group) {
                    let windows = &mut cells.0[person_of[trace]];
                    for (window, part) in windows.iter_mut().zip(parts) {
                        *window = *window + part;
                    }
                }
                Ok(())
            },
        )?;
        Ok(all.into_iter().map(Arc::new).collect())
    }

    /// What a clairvoyant knows of each trace that spares these domains.
    pub(super) fn foresee(&self, domains: &[String]) -> anyhow::Result<Vec<Arc<Foresight>>> {
        let mut all = vec![None; self.traces.len()];
        let work: Vec<usize> = (0..self.traces.len()).collect();
        each_in_parallel(
            &work,
            self.threads,
            |&trace| {
                let packed = self.workshop.trace(&self.traces[trace].digest)?;
                self.workshop.foresee_sparing(packed, domains)
            },
            |&trace, foresight| {
                all[trace] = Some(foresight);
                Ok(())
            },
        )?;
        Ok(all.into_iter().flatten().collect())
    }
}

fn entrant(document: &PolicyDocument) -> Entrant {
    NamedPolicy::of_document("variant", document.clone()).entrant()
}
