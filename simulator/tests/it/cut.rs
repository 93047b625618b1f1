//! A piece of a trace is a trace, and its world is the whole trace's.

use std::collections::BTreeSet;

use engine::{Facts, Mode, Seq, TabId};
use recorder::{Body, Line, TabChanged};
use simulator::cut::{Cut, Selection, every_id_of};

use crate::commands::check;
use crate::properties::lines;
use crate::recording::{short_of_memory, tab};
use crate::traces::{is_writers, said};

/// Everything of the world that a snapshot can tell.
fn world(lines: impl Iterator<Item = Line>) -> Vec<String> {
    let mut log = Facts::new(Mode::Observe);
    for line in lines {
        if let Some(event) = line.event() {
            log.apply(&event);
        }
    }
    let world = log.world();
    let mut facts = vec![format!(
        "{:?} {:?} {:?} {:?}",
        world.mode(),
        world.focused_window(),
        world.user(),
        world.windows().collect::<Vec<_>>()
    )];
    for tab in world.tabs() {
        facts.push(format!(
            "{} {:?} {:?} {} {} {} {} {:?} {} {}",
            tab.id,
            tab.win,
            world.host_of(tab),
            tab.is_active,
            tab.is_pinned,
            tab.is_discarded,
            tab.is_loading,
            tab.bytes,
            world.last_in_front(tab).now,
            world.familiarity(tab),
        ));
    }
    facts
}

fn cut(lines: &[Line], selection: Selection) -> Vec<Line> {
    let mut cut = Cut::new(selection);
    let mut pieces = Vec::new();
    for line in lines.iter().cloned() {
        if cut.take(line, &mut pieces).is_break() {
            break;
        }
    }
    (0..)
        .zip(pieces)
        .map(|(seq, piece)| Line {
            seq: Seq(seq),
            t_ms: piece.t_ms,
            src: piece.body.source().unwrap(),
            n: None,
            at_ms: piece.at_ms,
            body: piece.body,
        })
        .collect()
}

#[test]
fn wherever_it_begins_the_world_at_the_end_is_the_same() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let lines = crate::traces::lines(&recorded.root().join("trace"));
    let whole = world(lines.iter().cloned());
    for line in lines.iter().filter(|line| line.event().is_some()) {
        let selection = Selection {
            from_seq: Some(line.seq),
            ..Selection::default()
        };
        let piece = cut(&lines, selection);
        assert_eq!(world(piece.into_iter()), whole, "from seq {}", line.seq);
    }
}

#[test]
fn a_cut_by_tabs_has_the_world_of_these_tabs_after_every_line() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let lines = crate::traces::lines(&recorded.root().join("trace"));
    let tabs = BTreeSet::from([TabId(2), TabId(102)]);
    for to in &lines {
        let selection = |tabs| Selection {
            to_seq: Some(to.seq),
            tabs,
            ..Selection::default()
        };
        let of_tab = |facts: Vec<String>| -> Vec<String> {
            facts
                .into_iter()
                .skip(1)
                .filter(|fact| fact.starts_with("2 ") || fact.starts_with("102 "))
                .map(|fact| fact.rsplit_once(' ').unwrap().0.to_owned())
                .collect()
        };
        let whole = world(cut(&lines, selection(None)).into_iter());
        let piece = world(cut(&lines, selection(Some(tabs.clone()))).into_iter());
        assert_eq!(piece.len().saturating_sub(1), of_tab(piece.clone()).len());
        assert_eq!(of_tab(piece), of_tab(whole), "to seq {}", to.seq);
    }
}

#[test]
fn a_piece_tells_of_sight_where_there_is_something_in_it() {
    let seen = |id, in_sight| {
        Body::TabChanged(TabChanged {
            in_sight: Some(in_sight),
            ..TabChanged::new(TabId(id))
        })
    };
    let mut bodies: Vec<Body> = (1..=3).map(|id| Body::TabOpened(tab(id))).collect();
    bodies.extend([seen(2, true), seen(3, true), seen(3, false), seen(2, true)]);
    let selection = Selection {
        from_seq: Some(Seq(6)),
        ..Selection::default()
    };
    let piece = cut(&lines(bodies), selection);
    let told: Vec<Option<bool>> = (piece.iter())
        .filter_map(|line| match &line.body {
            Body::SessionStarted(started) => Some(&started.tabs),
            _ => None,
        })
        .flatten()
        .map(|tab| tab.in_sight)
        .collect();
    assert_eq!(told, [None, Some(true), None]);
}

#[test]
fn all_of_a_trace_is_the_trace() {
    let recorded = short_of_memory(Mode::Enforce).close();
    check(
        recorded.root(),
        &["cut", "trace", "-o", "all", "--compress"],
        0,
        &["all: "],
    );
    let bodies = |name: &str| {
        let lines = said(&recorded.root().join(name));
        lines
            .into_iter()
            .map(|line| (line.t_ms, line.body.type_name().to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(bodies("trace"), bodies("all"));
    check(recorded.root(), &["check", "all"], 0, &["nothing odd"]);
    check(
        recorded.root(),
        &["cut", "trace", "-o", "all"],
        2,
        &["is there already"],
    );
}

#[test]
fn decisions_of_a_piece_name_their_inputs() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let lines = crate::traces::lines(&recorded.root().join("trace"));
    for (index, line) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| !is_writers(line))
    {
        if index % 7 != 0 {
            continue;
        }
        let (name, from) = (format!("from-{index}"), line.seq.to_string());
        check(
            recorded.root(),
            &["cut", "trace", "--from-seq", &from, "-o", &name],
            0,
            &[],
        );
        check(recorded.root(), &["check", &name], 0, &["nothing odd"]);
    }
}

#[test]
fn what_selects_nothing_leaves_nothing() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let args = [
        "cut",
        "trace",
        "--from",
        "2030-01-01T00:00:00Z",
        "-o",
        "none",
    ];
    check(recorded.root(), &args, 2, &["no line of it is selected"]);
    assert_eq!(std::fs::read_dir(recorded.root()).unwrap().count(), 1);
}

#[test]
fn a_tab_that_never_was_is_told_and_not_cut_out() {
    let recorded = short_of_memory(Mode::Enforce).close();
    let args = ["cut", "trace", "--tab", "404", "-o", "none"];
    check(recorded.root(), &args, 2, &["there is no tab 404 in it"]);
    assert_eq!(std::fs::read_dir(recorded.root()).unwrap().count(), 1);
}

#[test]
fn a_tab_is_found_under_every_id() {
    let renames = [(1, 5), (5, 9), (2, 3)].map(|(old, new)| (TabId(old), TabId(new)));
    let ids = |ids: &[i64]| ids.iter().copied().map(TabId).collect::<BTreeSet<_>>();
    assert_eq!(every_id_of(&ids(&[5]), &renames), ids(&[1, 5, 9]));
    assert_eq!(every_id_of(&ids(&[7]), &renames), ids(&[7]));
}
