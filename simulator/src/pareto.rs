//! The Pareto front: of some candidates, those that no other beats.
//!
//! What a candidate is judged by comes as costs, the lower the better; what should be large comes
//! negated. One beats another if none of its costs is higher and one is lower, so of equals none
//! beats the other. A front is in the order of its costs, the first of them first; equals are in the
//! order in which they came.

use std::cmp::Ordering;

/// The candidates that no other beats, equals and all.
pub fn front<T, const N: usize>(
    all: impl IntoIterator<Item = T>,
    costs: impl Fn(&T) -> [f64; N],
) -> Vec<T> {
    with_costs(all, costs).into_iter().map(|it| it.1).collect()
}

/// The places of the front, each with the first candidate that is there: for whoever draws or lists
/// it, where a second one would say nothing more.
pub fn places<T, const N: usize>(
    all: impl IntoIterator<Item = T>,
    costs: impl Fn(&T) -> [f64; N],
) -> Vec<T> {
    let mut front = with_costs(all, costs);
    front.dedup_by(|later, earlier| in_order(&later.0, &earlier.0).is_eq());
    front.into_iter().map(|it| it.1).collect()
}

fn with_costs<T, const N: usize>(
    all: impl IntoIterator<Item = T>,
    costs: impl Fn(&T) -> [f64; N],
) -> Vec<([f64; N], T)> {
    // Of the two zeros one is made: they are no different costs.
    let costs = |it: &T| costs(it).map(|cost| cost + 0.0);
    let mut all: Vec<([f64; N], T)> = all.into_iter().map(|it| (costs(&it), it)).collect();
    all.sort_by(|(a, _), (b, _)| in_order(a, b));
    let mut front: Vec<([f64; N], T)> = Vec::new();
    // Whoever beats a candidate stands before it, and the nearest most likely does.
    for (costs, it) in all {
        if !front.iter().rev().any(|(other, _)| beats(other, &costs)) {
            front.push((costs, it));
        }
    }
    front
}

fn in_order(a: &[f64], b: &[f64]) -> Ordering {
    let pairs = a.iter().zip(b);
    pairs.fold(Ordering::Equal, |order, (a, b)| {
        order.then_with(|| a.total_cmp(b))
    })
}

fn beats(one: &[f64], other: &[f64]) -> bool {
    one.iter().zip(other).all(|(one, other)| one <= other) && one != other
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reloads, and what is saved.
    fn costs(&(_, reloads, saved): &(&str, f64, f64)) -> [f64; 2] {
        [reloads, -saved]
    }

    #[test]
    fn the_front_is_what_no_other_beats() {
        let all = [
            ("saves most", 3.0, 0.6),
            ("as much with more reloads", 4.0, 0.6),
            ("less with as many reloads", 3.0, 0.5),
            ("fewest reloads", 0.0, 0.1),
            ("as good as the fewest", -0.0, 0.1),
            ("between", 2.0, 0.5),
        ];
        let names = |front: Vec<(&'static str, f64, f64)>| -> Vec<&str> {
            front.into_iter().map(|it| it.0).collect()
        };
        assert_eq!(
            names(front(all, costs)),
            [
                "fewest reloads",
                "as good as the fewest",
                "between",
                "saves most"
            ]
        );
        assert_eq!(
            names(places(all, costs)),
            ["fewest reloads", "between", "saves most"]
        );
        assert!(front([], costs).is_empty());
    }

    proptest! {
        #[test]
        fn it_is_what_its_definition_says(
            all in prop::collection::vec(prop::array::uniform3(0_u8..5), 0..40),
        ) {
            let all: Vec<(usize, [f64; 3])> = all.iter().map(|it| it.map(f64::from)).enumerate().collect();
            let is_beaten = |it: &[f64; 3]| {
                all.iter().any(|(_, other)| {
                    (0..3).all(|axis| other[axis] <= it[axis]) && (0..3).any(|axis| other[axis] < it[axis])
                })
            };
            let mut expect = all.clone();
            expect.retain(|(_, it)| !is_beaten(it));
            expect.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap().then(a.0.cmp(&b.0)));
            prop_assert_eq!(front(all.clone(), |it| it.1), expect.clone());
            expect.dedup_by_key(|it| it.1);
            prop_assert_eq!(places(all.clone(), |it| it.1), expect);
        }
    }
}
