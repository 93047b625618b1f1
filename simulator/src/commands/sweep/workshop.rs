//! Carries units of work out, on every core.
//!
//! Each trace is opened once and shared; what a clairvoyant knows of it is found out once. Units
//! are independent, so the order in which they are done, and by how many threads, changes nothing
//! of what comes of each.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use recorder::Trace;
use serde_json::{Map, Value};
use simulator::comparison::{self, Entrant};
use simulator::packed::{About, Damaged, PackedTrace};
use simulator::replay::{Clairvoyance, Foresight};
use simulator::sweep::{self, FrontierRow, Row, Task, Unit, Version};

use crate::console::Console;
use crate::policy::{self, NamedPolicy};
use crate::reading::{open, shown};
use crate::trace_cache::{CacheArgs, TraceCache};

/// The most replays that go side by side.
const ABREAST_MAX: usize = 16;

/// What a clairvoyant knows of a trace, once somebody has looked.
type Seen = Arc<OnceLock<Result<Arc<Foresight>, Damaged>>>;

/// Where units are carried out.
pub(crate) struct Workshop {
    cache: TraceCache,
    /// By digest.
    traces: BTreeMap<String, PackedTrace>,
    /// By digest, and the domains that are spared.
    seen: Mutex<BTreeMap<(String, Vec<String>), Seen>>,
}

impl Workshop {
    /// Begins with no trace.
    pub(crate) fn new(cache: CacheArgs, console: &mut Console) -> Self {
        Self {
            cache: TraceCache::of_user(cache, console),
            traces: BTreeMap::new(),
            seen: Mutex::default(),
        }
    }

    /// Opens a trace.
    pub(crate) fn open(
        &mut self,
        path: &Path,
        trace: &Trace,
        console: &mut Console,
    ) -> anyhow::Result<About> {
        let packed = self.cache.open(path, trace, console)?;
        let about = packed.about().clone();
        self.traces.insert(about.digest.clone(), packed);
        Ok(about)
    }

    /// A trace that was opened.
    pub(crate) fn trace(&self, digest: &str) -> anyhow::Result<&PackedTrace> {
        self.traces
            .get(digest)
            .context("the trace was opened before")
    }

    /// Opens the trace of a unit, if none like it is open, and sees whether it is for us.
    pub(super) fn prepare(&mut self, unit: &Unit, console: &mut Console) -> anyhow::Result<()> {
        let ours = Version::ours();
        if unit.version != ours {
            bail!(
                "unit {} was planned for engine {}, sim {}, rows {}; this program is engine {}, sim \
                 {}, rows {}: plan anew, or use that one",
                unit.unit,
                unit.version.engine,
                unit.version.sim,
                unit.version.rows,
                ours.engine,
                ours.sim,
                ours.rows
            );
        }
        if self.traces.contains_key(&unit.trace.digest) {
            return Ok(());
        }
        let path = Path::new(&unit.trace.path);
        let about = self.open(path, &open(path)?, console)?;
        if about.digest != unit.trace.digest {
            bail!(
                "{}: found a trace with the digest {}, expected {} for unit {}: it is another one, \
                 or was changed since",
                shown(path),
                about.digest,
                unit.trace.digest,
                unit.unit
            );
        }
        Ok(())
    }

    /// What comes of units of one batch: a line of JSON each.
    pub(super) fn answers(&self, batch: &[&Unit]) -> anyhow::Result<Vec<String>> {
        let first = batch.first().context("a batch holds a unit")?;
        let trace = self.trace(&first.trace.digest)?;
        match &first.task {
            Task::Frontier { base } => {
                let frontier = self.foresee(trace, base)?.frontier();
                let rows = batch.iter();
                rows.map(|unit| {
                    let row = FrontierRow::new(unit, frontier.clone());
                    Ok(serde_json::to_string(&row)?)
                })
                .collect()
            }
            Task::Score {
                frontier,
                loop_,
                base,
                ..
            } => {
                let policies = batch.iter().map(|unit| Ok(policy_of(unit)?.entrant()));
                let entrants = policies.collect::<anyhow::Result<Vec<Entrant>>>()?;
                let foresight = frontier.then(|| self.foresee(trace, base)).transpose()?;
                let scores = comparison::run(&entrants, trace, *loop_, foresight.as_deref())?;
                let rows = batch.iter().zip(&scores);
                rows.map(|(unit, score)| {
                    let row = Row::new(unit, score).context("the unit asks for a score")?;
                    Ok(serde_json::to_string(&row)?)
                })
                .collect()
            }
        }
    }

    /// The same, and how long it took when all that is shared was there.
    pub(super) fn time(&self, batch: &[&Unit]) -> anyhow::Result<(Vec<String>, Duration)> {
        let first = batch.first().context("a batch holds a unit")?;
        if let Task::Score {
            frontier: true,
            base,
            ..
        } = &first.task
        {
            self.foresee(self.trace(&first.trace.digest)?, base)?;
        }
        let start = Instant::now();
        let rows = self.answers(batch)?;
        Ok((rows, start.elapsed()))
    }

    /// Carries units out, and gives each with what came of it, in the order in which they end.
    /// Shows how far it has come on a terminal.
    pub(super) fn carry_out(
        &self,
        units: &[&Unit],
        threads: usize,
        mut take: impl FnMut(&Unit, String) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let lines = units.iter().map(|unit| unit.trace.lines).sum();
        let bar = progress(lines, "lines");
        each_in_parallel(
            &batches(units, threads),
            threads,
            |batch| self.answers(batch),
            |batch, rows| {
                for (unit, row) in batch.iter().zip(rows) {
                    bar.inc(unit.trace.lines);
                    take(unit, row)?;
                }
                Ok(())
            },
        )?;
        bar.finish_and_clear();
        Ok(())
    }

    /// What a clairvoyant knows of a trace that spares the protected domains of a policy.
    fn foresee(
        &self,
        trace: &PackedTrace,
        base: &Map<String, Value>,
    ) -> anyhow::Result<Arc<Foresight>> {
        let document = sweep::document(base)?;
        self.foresee_sparing(trace, &document.protected_domains)
    }

    /// What a clairvoyant knows of a trace that spares these domains.
    pub(crate) fn foresee_sparing(
        &self,
        trace: &PackedTrace,
        domains: &[String],
    ) -> anyhow::Result<Arc<Foresight>> {
        let key = (trace.about().digest.clone(), domains.to_vec());
        let seen = {
            let mut all = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(key).or_default().clone()
        };
        let foresight = seen.get_or_init(|| Clairvoyance::of(trace, domains).map(Arc::new));
        Ok(foresight.clone()?)
    }
}

/// Puts units together that follow each other and can be carried out side by side: on one trace,
/// in one kind of replay, measured against one frontier. What comes of a unit does not depend on
/// those beside it.
pub(super) fn batches<'a, 'b>(units: &'b [&'a Unit], threads: usize) -> Vec<&'b [&'a Unit]> {
    let a_batch = abreast(units.len(), threads);
    let alike = units.chunk_by(|one, other| one.can_go_beside(other));
    alike.flat_map(|units| units.chunks(a_batch)).collect()
}

/// How many replays go side by side where there are so many: enough to share what the recording
/// costs, few enough that what they know of their tabs stays in the processor's cache, and not so
/// many that threads have nothing to do.
pub(crate) fn abreast(replays: usize, threads: usize) -> usize {
    replays.div_ceil(2 * threads.max(1)).clamp(1, ABREAST_MAX)
}

/// The policy of a unit that asks for a score.
fn policy_of(unit: &Unit) -> anyhow::Result<NamedPolicy> {
    let Task::Score {
        policy,
        settings,
        policy_hash,
        seed,
        ..
    } = &unit.task
    else {
        bail!("unit {} asks for no score", unit.unit);
    };
    let Some(settings) = settings else {
        return policy::baseline(policy, *seed)
            .with_context(|| format!("unit {}: there is no baseline {policy:?}", unit.unit));
    };
    let document = sweep::document(settings);
    let document = document.with_context(|| format!("unit {}: its policy", unit.unit))?;
    let policy = NamedPolicy::of_document(policy, document);
    if policy.hash != *policy_hash {
        bail!(
            "unit {}: its policy has the hash {}, expected {}: other defaults than where it was \
             planned",
            unit.unit,
            policy.hash.unwrap_or_default(),
            policy_hash.as_deref().unwrap_or("none")
        );
    }
    Ok(policy)
}

/// How far something has come, with rate and time left. On a terminal only.
pub(crate) fn progress(length: u64, unit: &str) -> ProgressBar {
    let style =
        format!("{{wide_bar}} {{human_pos}}/{{human_len}} {unit}, {{per_sec}}, {{eta}} left");
    let style = ProgressStyle::with_template(&style).expect("the template is well formed");
    ProgressBar::new(length).with_style(style)
}

/// Does something with each of them on so many threads; `take` is called here, with each as it
/// ends. The first failure ends it.
pub(crate) fn each_in_parallel<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> anyhow::Result<R> + Sync,
    mut take: impl FnMut(&T, R) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
    let (done, answers) = mpsc::channel();
    let work = &work;
    thread::scope(|scope| {
        scope.spawn(|| {
            // Where nobody takes the answers any more, nobody wants the rest.
            let _ = pool.install(move || {
                items.par_iter().try_for_each_with(done, |done, item| {
                    let answer = work(item);
                    let is_failure = answer.is_err();
                    done.send((item, answer)).ok().filter(|()| !is_failure)
                })
            });
        });
        // The receiver goes with the loop, so that a failure to take ends the work as well.
        for (item, answer) in answers {
            take(item, answer?)?;
        }
        Ok(())
    })
}
