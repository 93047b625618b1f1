//! Whether synthetic people are like real ones: the rows of the calibration table, each with the
//! tolerance that holds for the kind of people.

use std::collections::BTreeMap;

use serde::Serialize;

use super::profile::Expectation;
use crate::calibration::Row;

/// A row of the table, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The row. Its tolerance is the one that was applied.
    #[serde(flatten)]
    pub row: Row,
    /// Why the tolerance is not the table's own.
    pub why: Option<String>,
}

/// Judges rows: by the table's own tolerance, or by what is expected of this kind of people.
///
/// A tolerance of a row of which nothing is known is missed: what was to be judged and is not there
/// must not pass.
pub fn judge(rows: Vec<Row>, expect: &BTreeMap<String, Expectation>) -> Vec<Judged> {
    rows.into_iter()
        .map(|mut row| {
            let expected = expect.get(row.name);
            if let Some(expected) = expected {
                row.tolerance = Some((expected.from, expected.to));
            }
            row.within = row
                .tolerance
                .map(|(from, to)| row.got.is_some_and(|got| (from..=to).contains(&got)));
            Judged {
                row,
                why: expected.map(|expected| expected.why.clone()),
            }
        })
        .collect()
}

/// The rows that miss their tolerance.
pub fn missed(rows: &[Judged]) -> impl Iterator<Item = &Judged> {
    rows.iter()
        .filter(|judged| judged.row.within == Some(false))
}
