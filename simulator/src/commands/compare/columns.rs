//! The columns of the table, declared once for the terminal, Markdown and the page.

use simulator::replay::Score;

/// A column: a number of each policy.
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    pub(super) value: fn(&Score) -> Option<f64>,
    decimals: usize,
    /// What is better, where that can be said.
    better: Better,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    More,
    Less,
    /// None is as it should be, and nothing to praise.
    None,
    Unsaid,
}

/// Whether a value is the best or the worst of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Best,
    Worst,
    Plain,
}

/// Bytes saved always stand beside early returns.
pub(super) const COLUMNS: [Column; 12] = [
    column("saved", "GiB·h", |s| Some(s.saved_gib_h), 3, Better::More),
    column("of all", "%", |s| percent(s.saved_share), 1, Better::More),
    column(
        "early",
        "%",
        |s| percent(s.early_return_rate),
        1,
        Better::Less,
    ),
    column("reloads", "", |s| Some(s.reloads as f64), 0, Better::Less),
    column(
        "reloads",
        "/ h",
        |s| s.reloads_per_active_hour,
        2,
        Better::Less,
    ),
    column("waited", "s", |s| s.reload_wait_s, 1, Better::Less),
    column(
        "frontier",
        "%",
        |s| percent(s.frontier_share),
        1,
        Better::More,
    ),
    column(
        "excess",
        "reloads",
        |s| s.excess_reloads.map(|n| n as f64),
        0,
        Better::Less,
    ),
    column(
        "pressed",
        "GiB·h",
        |s| s.saved_pressed_gib_h,
        3,
        Better::More,
    ),
    column(
        "MEDIUM",
        "min",
        |s| s.pressure_medium_minutes,
        1,
        Better::Unsaid,
    ),
    column("HIGH", "min", |s| s.pressure_high_minutes, 1, Better::Less),
    column(
        "violations",
        "",
        |s| Some(s.violations as f64),
        0,
        Better::None,
    ),
];

const fn column(
    title: &'static str,
    unit: &'static str,
    value: fn(&Score) -> Option<f64>,
    decimals: usize,
    better: Better,
) -> Column {
    Column {
        title,
        unit,
        value,
        decimals,
        better,
    }
}

fn percent(share: Option<f64>) -> Option<f64> {
    share.map(|share| 100.0 * share)
}

impl Column {
    /// Writes a value; a dash where there is none.
    pub(super) fn show(&self, score: &Score) -> String {
        match (self.value)(score) {
            Some(value) => format!("{value:.*}", self.decimals),
            None => "–".to_owned(),
        }
    }

    /// Marks the best and the worst of some scores. Values that look the same are marked the same,
    /// and none where all do.
    pub(super) fn marks<'a>(&self, scores: impl Iterator<Item = &'a Score>) -> Vec<Mark> {
        // What is compared is what is seen.
        let seen = |score: &Score| -> Option<f64> {
            (self.value)(score).map(|_| self.show(score).parse().unwrap_or(f64::NAN))
        };
        let seen: Vec<Option<f64>> = scores.map(seen).collect();
        let known = || seen.iter().flatten().copied();
        let least = known().min_by(f64::total_cmp);
        let most = known().max_by(f64::total_cmp);
        let (best, worst) = match self.better {
            _ if least == most => (None, None),
            Better::More => (most, least),
            Better::Less => (least, most),
            Better::None => (None, most),
            Better::Unsaid => (None, None),
        };
        let mark = |value: &Option<f64>| match value {
            Some(_) if *value == best => Mark::Best,
            Some(_) if *value == worst => Mark::Worst,
            _ => Mark::Plain,
        };
        seen.iter().map(mark).collect()
    }
}
