//! The columns of the table, declared once for the terminal, Markdown and the page.

use anyhow::bail;
use simulator::replay::Score;

use super::Row;

/// A column: a number of each policy.
pub(super) struct Column {
    /// The score's name.
    name: &'static str,
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

/// Every column, in the order in which they stand.
pub(super) const COLUMNS: [Column; 12] = [
    Column {
        name: "saved_gib_h",
        title: "saved",
        unit: "GiB·h",
        value: |s| Some(s.saved_gib_h),
        decimals: 3,
        better: Better::More,
    },
    Column {
        name: "saved_share",
        title: "of all",
        unit: "%",
        value: |s| percent(s.saved_share),
        decimals: 1,
        better: Better::More,
    },
    Column {
        name: "early_return_rate",
        title: "early",
        unit: "%",
        value: |s| percent(s.early_return_rate),
        decimals: 1,
        better: Better::Less,
    },
    Column {
        name: "reloads",
        title: "reloads",
        unit: "",
        value: |s| Some(s.reloads as f64),
        decimals: 0,
        better: Better::Less,
    },
    Column {
        name: "reloads_per_active_hour",
        title: "reloads",
        unit: "/ h",
        value: |s| s.reloads_per_active_hour,
        decimals: 2,
        better: Better::Less,
    },
    Column {
        name: "reload_wait_s",
        title: "waited",
        unit: "s",
        value: |s| s.reload_wait_s,
        decimals: 1,
        better: Better::Less,
    },
    Column {
        name: "frontier_share",
        title: "frontier",
        unit: "%",
        value: |s| percent(s.frontier_share),
        decimals: 1,
        better: Better::More,
    },
    Column {
        name: "excess_reloads",
        title: "excess",
        unit: "reloads",
        value: |s| s.excess_reloads.map(|n| n as f64),
        decimals: 0,
        better: Better::Less,
    },
    Column {
        name: "saved_pressed_gib_h",
        title: "pressed",
        unit: "GiB·h",
        value: |s| s.saved_pressed_gib_h,
        decimals: 3,
        better: Better::More,
    },
    Column {
        name: "pressure_medium_minutes",
        title: "MEDIUM",
        unit: "min",
        value: |s| s.pressure_medium_minutes,
        decimals: 1,
        better: Better::Unsaid,
    },
    Column {
        name: "pressure_high_minutes",
        title: "HIGH",
        unit: "min",
        value: |s| s.pressure_high_minutes,
        decimals: 1,
        better: Better::Less,
    },
    Column {
        name: "violations",
        title: "violations",
        unit: "",
        value: |s| Some(s.violations as f64),
        decimals: 0,
        better: Better::None,
    },
];

/// Finds the columns that are asked for, in their order, or all where none is. Bytes saved never
/// stand without the rate of early returns.
///
/// # Errors
/// A name that no column has.
pub(super) fn chosen(names: &[String]) -> anyhow::Result<Vec<&'static Column>> {
    if let Some(unknown) = (names.iter()).find(|name| COLUMNS.iter().all(|it| it.name != **name)) {
        bail!(
            "there is no column {unknown:?}; the columns are {}",
            COLUMNS.map(|column| column.name).join(", ")
        );
    }
    let is_chosen = |column: &&Column| {
        let needs_early = || names.iter().any(|name| name.starts_with("saved"));
        names.is_empty()
            || names.iter().any(|name| name == column.name)
            || column.name == "early_return_rate" && needs_early()
    };
    Ok(COLUMNS.iter().filter(is_chosen).collect())
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

    /// Writes how much more or less a value is than another; a dash where one of them is not there.
    pub(super) fn show_difference(&self, score: &Score, base: &Score) -> String {
        match (self.value)(score).zip((self.value)(base)) {
            Some((value, base)) => format!("{:+.*}", self.decimals, value - base),
            None => "–".to_owned(),
        }
    }

    /// Marks the best and the worst of some scores. Values that look the same are marked the same,
    /// and none where all do.
    fn marks<'a>(&self, scores: impl Iterator<Item = &'a Score>) -> Vec<Mark> {
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

/// Marks the values of each row in each column.
pub(super) fn marks(columns: &[&Column], rows: &[Row]) -> Vec<Vec<Mark>> {
    let ranked = || rows.iter().filter(|row| row.is_ranked());
    let mut of_columns: Vec<_> = (columns.iter())
        .map(|column| column.marks(ranked().map(|row| &row.pooled)).into_iter())
        .collect();
    let of_row = |row: &Row| {
        let mark = |marks: &mut std::vec::IntoIter<Mark>| {
            let next = row.is_ranked().then(|| marks.next());
            next.flatten().unwrap_or(Mark::Plain)
        };
        of_columns.iter_mut().map(mark).collect()
    };
    rows.iter().map(of_row).collect()
}
