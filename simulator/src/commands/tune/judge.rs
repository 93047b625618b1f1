//! Judges what the searches chose, on what they did not see, and tells all that was found.

use std::sync::Arc;

use anyhow::Context as _;
use simulator::pareto;
use simulator::replay::{Frontier, Point, Tally};
use simulator::sweep::{Variant, Version};
use simulator::tune::{Cells, Part, Split, SplitKind, objectives};

use super::bench::Bench;
use super::found::{
    self, HeldOut, Judged, Member, PartTold, PersonTold, Sensitivity, SplitTold, TUNED, TraceTold,
    Tuned,
};
use super::search::Searched;
use super::task::Task;
use super::verdict::Verdict;
use super::{HeldAgainst, whole};
use crate::commands::sweep::thinned;
use crate::policy::NamedPolicy;

/// How many values of a setting its sensitivity is shown at.
const SENSITIVITY_VALUES: usize = 9;

/// How many points of the frontier are written.
const FRONTIER_POINTS: usize = 500;

/// Judges what the searches chose on what they did not see.
pub(super) fn judge(
    task: &Task,
    splits: &[Split],
    searches: &[Searched],
    against: HeldAgainst<&Arc<Cells>>,
    others: &[Arc<Cells>],
    bench: &mut Bench,
) -> anyhow::Result<Tuned> {
    let whole = &whole(splits)?.training;
    let last = searches.last().context("each split was searched")?;
    let told = splits.iter().zip(searches);
    let told = told.map(|(split, search)| split_told(task, split, search, against.base, bench));
    let told: Vec<SplitTold> = told.collect();
    let trial = Trial {
        task,
        splits,
        searches,
        against,
        others,
        people: bench.people.len(),
    };
    let on_held_out_people = trial.where_held_out(SplitKind::ByPerson, &told);
    let walking_forward = trial.where_held_out(SplitKind::WalkForward, &told);
    let Verdict { recommended, why } = match last.chosen {
        None => Verdict::no("no variant that was tried keeps the limits"),
        Some(_) => Verdict::of(on_held_out_people.as_ref(), walking_forward.as_ref()),
    };
    let sensitivity = match &last.chosen {
        Some(chosen) => sensitivity(task, whole, &chosen.variant, bench)?,
        None => Vec::new(),
    };
    let sums = against.base.sum(whole).sums();
    let member = |variant: &Variant, cells: &Cells| {
        Member::new(&task.space, variant, cells.sum(whole).rates(), None)
    };
    let tried = |(variant, cells): &(Variant, Arc<Cells>)| member(variant, cells);
    let chosen = last.chosen.as_ref();
    let dimensions = task.space.dimensions().iter();
    let people = bench.people.iter();
    Ok(Tuned {
        type_name: TUNED.to_owned(),
        version: Version::ours(),
        seed: task.seed,
        base: task.base.name.clone(),
        base_hash: task.base.hash.clone(),
        vary: dimensions.map(ToString::to_string).collect(),
        asked_limits: task.limits,
        margin: task.margin,
        variants_tried: bench.policies_run(),
        people: people
            .map(|it| PersonTold::new(it, &bench.traces))
            .collect(),
        traces: bench.traces.iter().map(TraceTold::new).collect(),
        windows: whole.windows.1,
        recommended,
        why,
        nearest: last.nearest.map(|index| tried(&last.tried[index])),
        chosen: chosen.map(|it| member(&it.variant, &it.cells)),
        changed: chosen.map(|it| found::changed(task.space.base(), &it.variant.document)),
        in_training: found::in_training(task, whole, against, others),
        on_held_out_people,
        walking_forward,
        evaluations: last.tried.iter().map(tried).collect(),
        sensitivity,
        frontier: frontier(task, bench)?,
        background_gib_h: sums.background_gib_h,
        active_hours: sums.active_hours,
        splits: told,
    })
}

/// What the searches chose, beside what it is held against.
struct Trial<'a> {
    task: &'a Task,
    splits: &'a [Split],
    searches: &'a [Searched],
    against: HeldAgainst<&'a Arc<Cells>>,
    others: &'a [Arc<Cells>],
    people: usize,
}

impl Trial<'_> {
    /// What came of it where splits of a kind held out; nothing where none did.
    fn where_held_out(&self, kind: SplitKind, told: &[SplitTold]) -> Option<HeldOut> {
        // Whoever chose nothing keeps the base.
        let tuned = self.by_person(kind, |search| match &search.chosen {
            Some(chosen) => &chosen.cells,
            None => self.against.base,
        });
        let judged = |(policy, cells): (&NamedPolicy, &Arc<Cells>)| {
            let theirs = self.by_person(kind, |_| cells);
            Judged::new(&policy.name, &theirs, &tuned, self.task.seed)
        };
        let base = judged((&self.task.base, self.against.base));
        let original = judged((&self.task.original, self.against.original));
        let others = self.task.others.iter().zip(self.others).map(judged);
        (!base.is_empty()).then(|| HeldOut {
            limits: self.task.limits_held_out([base.rates, original.rates]),
            tuned: tuned.iter().copied().sum::<Tally>().rates(),
            against: [base, original].into_iter().chain(others).collect(),
            gap_saved_share: found::gap(told, kind),
        })
    }

    /// What each person came to where splits of a kind held them out. Those who never were are not
    /// among them.
    fn by_person<'b>(
        &'b self,
        kind: SplitKind,
        cells_of: impl Fn(&'b Searched) -> &'b Arc<Cells>,
    ) -> Vec<Tally> {
        let mut all: Vec<Option<Tally>> = vec![None; self.people];
        for (split, search) in self.splits.iter().zip(self.searches) {
            if split.kind == kind {
                let tallies = cells_of(search).by_person(&split.held_out);
                for (&person, tally) in split.held_out.people.iter().zip(tallies) {
                    all[person] = Some(all[person].unwrap_or_default() + tally);
                }
            }
        }
        all.into_iter().flatten().collect()
    }
}

/// What a clairvoyant saves at most on all traces, thinned.
fn frontier(task: &Task, bench: &Bench) -> anyhow::Result<Vec<Point>> {
    let mut all = Frontier::default();
    for foresight in bench.foresee(&task.space.base().protected_domains)? {
        all = all.pooled(&foresight.frontier());
    }
    let points: Vec<Point> = all.points().collect();
    Ok(thinned(&points, FRONTIER_POINTS))
}

/// What a split tells: what was chosen and the front, in training and where it was held out.
fn split_told(
    task: &Task,
    split: &Split,
    search: &Searched,
    base: &Cells,
    bench: &Bench,
) -> SplitTold {
    let rates = |cells: &Cells, part: &Part| cells.sum(part).rates();
    let held_out =
        |cells: &Cells| (!split.held_out.people.is_empty()).then(|| rates(cells, &split.held_out));
    let member = |variant: &Variant, cells: &Cells| {
        Member::new(
            &task.space,
            variant,
            rates(cells, &split.training),
            held_out(cells),
        )
    };
    let front = pareto::front(&search.tried, |(_, cells)| {
        objectives(&rates(cells, &split.training))
    });
    let mut members: Vec<Member> = (front.into_iter())
        .map(|(variant, cells)| member(variant, cells))
        .collect();
    members.sort_by(|a, b| {
        let saved = |it: &Member| it.training.saved_share.unwrap_or(0.0);
        saved(a)
            .total_cmp(&saved(b))
            .then(a.policy_hash.cmp(&b.policy_hash))
    });
    members.dedup_by(|a, b| a.policy_hash == b.policy_hash);
    SplitTold {
        kind: split.kind,
        training: PartTold::new(&split.training, &bench.people),
        held_out: PartTold::new(&split.held_out, &bench.people),
        limits: search.limits,
        tried: search.tried.len(),
        chosen: (search.chosen.as_ref()).map(|it| member(&it.variant, &it.cells)),
        plateau: search.chosen.as_ref().map(|it| it.plateau),
        base: Member::of_policy(&task.base, rates(base, &split.training), held_out(base)),
        front: members,
    }
}

/// What becomes of the chosen policy when one setting alone is changed.
fn sensitivity(
    task: &Task,
    part: &Part,
    chosen: &Variant,
    bench: &mut Bench,
) -> anyhow::Result<Vec<Sensitivity>> {
    let mut all = Vec::new();
    for (place, dimension) in task.space.dimensions().iter().enumerate() {
        let with = |value: serde_json::Value| {
            let mut values = chosen.values.clone();
            values[place] = value;
            let document = task.space.document(&values).ok()?;
            Some(Variant { values, document })
        };
        let variants: Vec<Variant> = dimension
            .across(SENSITIVITY_VALUES)
            .into_iter()
            .filter_map(with)
            .collect();
        let cells = bench.cells_of(&variants.iter().collect::<Vec<_>>())?;
        let points = variants
            .iter()
            .zip(cells)
            .map(|(variant, cells)| found::SensitivityPoint {
                value: variant.values[place].clone(),
                rates: cells.sum(part).rates(),
            });
        all.push(Sensitivity {
            setting: dimension.name().to_owned(),
            chosen: chosen.values[place].clone(),
            points: points.collect(),
        });
    }
    Ok(all)
}
