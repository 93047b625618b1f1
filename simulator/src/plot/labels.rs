//! Finds room for the labels of points: near their point, on no other label, on no mark.
//!
//! Each label in turn takes the cheapest of some places around its point, in whole pixels, so the
//! same points are always labelled the same. Where all is full labels may touch: none is left out.

/// A place on a drawing, in pixels: to the right and down.
pub(super) type Pixel = (i32, i32);

/// How high a label is, in pixels.
const HEIGHT: i32 = 13;

/// How far from its point a label may be, in pixels.
const DISTANCES: [i32; 9] = [8, 14, 20, 28, 38, 50, 64, 80, 98];

/// What is between two labels side by side, in pixels.
const APART: i32 = 5;

/// From here on a line leads from the point to its label.
const LEADER_FROM: i32 = 20;

/// The sides of a point at which its label may be, the most readable first.
const SIDES: [(i32, i32); 8] = [
    (1, 0),
    (1, -1),
    (1, 1),
    (-1, 0),
    (0, -1),
    (-1, -1),
    (0, 1),
    (-1, 1),
];

/// An upright rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) right: i32,
    pub(super) bottom: i32,
}

impl Area {
    fn holds(self, (x, y): Pixel, margin: i32) -> bool {
        (self.left - margin..=self.right + margin).contains(&x)
            && (self.top - margin..=self.bottom + margin).contains(&y)
    }

    /// Whether two share some room, or are so near side by side that they read as one.
    fn meets(self, other: Self) -> bool {
        self.left < other.right + APART
            && other.left < self.right + APART
            && self.top < other.bottom
            && other.top < self.bottom
    }

    fn lies_in(self, other: Self) -> bool {
        other.holds((self.left, self.top), 0) && other.holds((self.right, self.bottom), 0)
    }

    /// Where its text begins, at half its height.
    pub(super) fn text_start(self) -> Pixel {
        (self.left, self.top + HEIGHT / 2)
    }

    /// The place in it that is nearest to another.
    fn nearest(self, (x, y): Pixel) -> Pixel {
        (
            x.clamp(self.left, self.right),
            y.clamp(self.top, self.bottom),
        )
    }
}

/// Where a label has come to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// What the text fills.
    pub(super) area: Area,
    /// Where a line to the point begins, if the label is that far away.
    pub(super) leader: Option<Pixel>,
}

/// How wide a text is, in pixels, about: nothing here can measure it.
pub(super) fn width(text: &str) -> i32 {
    let chars = i32::try_from(text.chars().count()).unwrap_or(i32::MAX / 16);
    13 * chars / 2
}

/// Places labels, each given by its point and its width. `marks` are the middles of what is drawn,
/// `lines` places on lines, which a label should rather not hide.
pub(super) fn place(
    labels: &[(Pixel, i32)],
    marks: &[Pixel],
    lines: &[Pixel],
    within: Area,
) -> Vec<Placed> {
    let mut placed: Vec<Placed> = Vec::new();
    let mut leaders: Vec<Pixel> = Vec::new();
    for &(point, width) in labels {
        let candidates = DISTANCES.into_iter().flat_map(|distance| {
            let preferred = (0..).zip(SIDES);
            preferred.map(move |(rank, side)| {
                let area = beside(point, width, side, distance);
                let leader = (distance >= LEADER_FROM).then(|| area.nearest(point));
                (10 * distance + rank, Placed { area, leader })
            })
        });
        let cost = |&(cost, candidate): &(i32, Placed)| {
            let Placed { area, leader } = candidate;
            let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX / 4_096);
            let on_labels = placed.iter().filter(|other| other.area.meets(area)).count();
            let on_marks = marks.iter().filter(|&&mark| area.holds(mark, 5)).count();
            let on_lines = lines.iter().filter(|&&line| area.holds(line, 1)).count();
            let on_leaders = leaders.iter().filter(|&&line| area.holds(line, 1)).count();
            // Whose it is has to be seen.
            let is_of_another = leader.is_none() && {
                let apart = |mark: Pixel| squared_distance(area.nearest(mark), mark);
                marks.iter().any(|&mark| apart(mark) < apart(point))
            };
            let passes = leader.map_or(0, |end| {
                let labels = |at: &Pixel| placed.iter().any(|other| other.area.holds(*at, 1));
                let marks = |at: &Pixel| {
                    let other = |mark: &&Pixel| **mark != point && is_near(**mark, *at);
                    marks.iter().any(|mark| other(&mark))
                };
                let passed = between(point, end);
                passed.filter(|at| labels(at) || marks(at)).count()
            });
            cost + 4_000 * count(on_labels)
                + 800 * count(on_marks)
                + 60 * count(on_lines)
                + 400 * count(on_leaders)
                + 150 * count(passes)
                + if is_of_another { 2_000 } else { 0 }
                + if area.lies_in(within) { 0 } else { 9_000 }
        };
        let best = candidates.min_by_key(cost).map(|(_, best)| best);
        let best = best.expect("there is a place at every distance");
        leaders.extend(best.leader.into_iter().flat_map(|end| between(point, end)));
        placed.push(best);
    }
    placed
}

/// What a label fills that lies on a side of its point.
fn beside((x, y): Pixel, width: i32, side: (i32, i32), distance: i32) -> Area {
    // The same way in each direction.
    let reach = match side {
        (0, _) | (_, 0) => distance,
        _ => distance * 3 / 4,
    };
    let left = match side.0 {
        0 => x - width / 2,
        1 => x + reach,
        _ => x - reach - width,
    };
    let top = match side.1 {
        0 => y - HEIGHT / 2,
        1 => y + reach,
        _ => y - reach - HEIGHT,
    };
    Area {
        left,
        top,
        right: left + width,
        bottom: top + HEIGHT,
    }
}

fn squared_distance(a: Pixel, b: Pixel) -> i64 {
    let (dx, dy) = (i64::from(a.0 - b.0), i64::from(a.1 - b.1));
    dx * dx + dy * dy
}

fn is_near(a: Pixel, b: Pixel) -> bool {
    (a.0 - b.0).abs() <= 5 && (a.1 - b.1).abs() <= 5
}

/// Places on the way from one to another, a few pixels apart.
pub(super) fn between(from: Pixel, to: Pixel) -> impl Iterator<Item = Pixel> {
    let steps = ((to.0 - from.0).abs().max((to.1 - from.1).abs()) / 4).max(1);
    (1..=steps).map(move |step| {
        (
            from.0 + (to.0 - from.0) * step / steps,
            from.1 + (to.1 - from.1) * step / steps,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWING: Area = Area {
        left: 0,
        top: 0,
        right: 600,
        bottom: 400,
    };

    #[test]
    fn a_label_alone_stands_to_the_right_of_its_point() {
        let placed = place(&[((100, 100), 20)], &[(100, 100)], &[], DRAWING);
        assert_eq!(placed[0].area.left, 108);
        assert_eq!(placed[0].leader, None);
    }

    #[test]
    fn at_the_right_edge_it_stands_to_the_left() {
        let placed = place(&[((590, 100), 20)], &[(590, 100)], &[], DRAWING);
        assert!(placed[0].area.right < 590, "{placed:?}");
    }

    #[test]
    fn a_heap_of_points_comes_apart() {
        let points: Vec<Pixel> = (0..12)
            .map(|index| (300 + index % 3 * 6, 200 + index))
            .collect();
        let labels: Vec<(Pixel, i32)> = points.iter().map(|&point| (point, 18)).collect();
        let placed = place(&labels, &points, &[], DRAWING);
        for (index, one) in placed.iter().enumerate() {
            assert!(one.area.lies_in(DRAWING), "{one:?}");
            for other in &placed[..index] {
                assert!(!one.area.meets(other.area), "{one:?} {other:?}");
            }
            for &point in &points {
                assert!(!one.area.holds(point, 0), "{one:?} {point:?}");
            }
        }
    }
}
