//! What a step costs, with few tabs open and with many.
//!
//! `cargo bench -p engine --bench step`. Divide the time of an iteration by its events, or read
//! the events a second: worlds and logs are made outside of what is measured, and each iteration
//! starts from a copy of the same world.

use divan::Bencher;
use divan::counter::ItemsCount;
use engine::{HostKnowledge, Input, TabId};

#[path = "session/mod.rs"]
mod session;

use session::{MINUTE, SECOND, START_MS, Session, engine_at_start, sample};

const OPEN_TABS: [i64; 3] = [30, 300, 2_000];

fn main() {
    divan::main();
}

/// Four hours of browsing at MEDIUM pressure: a sample every 5 s, another tab every 20 s, a load
/// every 40 s, another window every 5 minutes, and all that a discard and a return bring.
#[divan::bench(args = OPEN_TABS)]
fn browsing(bencher: Bencher, open_tabs: i64) {
    let mut session = Session::started(open_tabs);
    session.browse(MINUTE * 60);
    steps(bencher, session, |session| session.browse(MINUTE * 240));
}

/// Samples every 5 s at MEDIUM pressure; one in twelve decides.
#[divan::bench(args = OPEN_TABS)]
fn samples(bencher: Bencher, open_tabs: i64) {
    let mut session = Session::started(open_tabs);
    session.browse(MINUTE * 60);
    steps(bencher, session, |session| {
        for _ in 0..240 {
            session.after(5 * SECOND, sample());
        }
    });
}

/// Samples of which each passes the gate, finds the context and decides, as long as there is a
/// ripe tab.
#[divan::bench(args = OPEN_TABS)]
fn decisions(bencher: Bencher, open_tabs: i64) {
    let mut session = Session::started(open_tabs);
    session.browse(MINUTE * 60);
    steps(bencher, session, |session| {
        for _ in 0..20 {
            session.after(MINUTE, sample());
        }
    });
}

/// The extension connects: all tabs are new, or all are known.
#[divan::bench(args = [false, true])]
fn snapshot_of_2000_tabs(bencher: Bencher, known: bool) {
    let session = Session::started(2_000);
    let event = session.log[0].clone();
    let engine = if known {
        session.engine
    } else {
        engine_at_start()
    };
    bencher
        .counter(ItemsCount::new(1_usize))
        .with_inputs(|| engine.clone())
        .bench_values(|mut engine| {
            let mut outputs = Vec::new();
            engine.step(&event, &mut outputs);
            engine
        });
}

/// A checkpoint, with 2,000 tabs and 4,096 more hosts known.
#[divan::bench]
fn state_hash_of_2000_tabs_and_4096_hosts(bencher: Bencher) {
    let mut session = Session::started(2_000);
    session.browse(MINUTE * 60);
    let hosts = (0_u8..16).flat_map(|high| {
        (0_u8..=255).map(move |low| HostKnowledge {
            host: format!("{high}.{low}.known.example"),
            familiarity: 1 + low % 8,
            last_in_front_ms: Some(START_MS - i64::from(low)),
            bytes: Some(u64::from(low) << 20),
        })
    });
    session.after(0, Input::KnowledgeCarried(hosts.collect()));
    bencher.bench(|| session.engine.state_hash());
}

/// The popup asks why a tab is kept.
#[divan::bench(args = OPEN_TABS)]
fn explain(bencher: Bencher, open_tabs: i64) {
    let mut session = Session::started(open_tabs);
    session.browse(MINUTE * 60);
    bencher.bench(|| session.engine.explain(TabId(3)));
}

/// Measures the events that `go_on` brings, from where the session stands.
fn steps(bencher: Bencher, mut session: Session, go_on: impl Fn(&mut Session)) {
    session.log.clear();
    let start = session.engine.clone();
    go_on(&mut session);
    let log = session.log;
    bencher
        .counter(ItemsCount::new(log.len()))
        .with_inputs(|| start.clone())
        .bench_values(|mut engine| {
            let mut outputs = Vec::new();
            for event in &log {
                outputs.clear();
                engine.step(event, &mut outputs);
            }
            engine
        });
}
