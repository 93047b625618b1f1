//! A step of the engine, with few tabs open and with many.

use std::hint::black_box;

use engine::{Engine, Event, Orchestrator};

use crate::session::{MINUTE, Session};
use crate::{Figures, Subject, sink};

pub(crate) const TABS: [(&str, i64); 3] =
    [("step_30", 30), ("step_300", 300), ("step_2000", 2_000)];

/// An hour of browsing, and the events of so many hours after it.
pub(crate) fn browsing(open_tabs: i64, hours: i64) -> (Engine<Orchestrator>, Vec<Event>) {
    let mut session = Session::started(open_tabs);
    session.browse(MINUTE * 60);
    session.log.clear();
    let engine = session.engine.clone();
    session.browse(MINUTE * 60 * hours);
    (engine, session.log)
}

/// Steps an engine through events.
pub(crate) fn run(engine: &mut Engine<Orchestrator>, events: &[Event]) {
    let mut outputs = Vec::new();
    for event in events {
        outputs.clear();
        engine.step(event, &mut outputs);
        black_box(&outputs);
    }
}

pub(crate) fn measure(rounds: usize, figures: &mut Figures) {
    let subjects = TABS.map(|(name, open_tabs)| {
        // Long enough that it does not matter how cold a copy is.
        let (start, events) = browsing(open_tabs, 100);
        let count = events.len() as u64;
        // The copies are made beforehand: a round takes one.
        let mut engines: Vec<_> = (0..=rounds).map(|_| start.clone()).collect();
        Subject::new(name, count, move || {
            if let Some(mut engine) = engines.pop() {
                run(&mut engine, &events);
                sink(engine);
            }
        })
    });
    crate::measure(rounds, subjects.into(), figures);
}
