//! The crash test: the real host, stopped with SIGKILL at random moments, again and again. After
//! every kill each event that was acknowledged is in the log once and in its order, and the log's
//! decisions are the engine's.
//!
//! What is done is drawn from a seed; where in its work a kill hits the host is the machine's
//! doing. `cargo xtask crash` runs it at length and asks the real `sim verify` as well; what came
//! of that stands in `recorder/FAULTS.md`. A killed process leaves behind what it had handed to
//! the kernel: what a power cut takes with it is the matter of the recorder's tests.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use recorder::{Body, SEGMENT_BYTES};
use rustix::process::{Signal, kill_process};

use crate::client::{
    EAGER_POLICY, HasLeft, Home, Host, PATIENCE, ReadTrace, hello, read_killed_trace,
};
use crate::extension::Extension;

const DEFAULT_KILLS: u64 = 40;
const DEFAULT_SEED: u64 = 1;

/// How many hosts of one log are killed. Then it is ended in order, and another begun.
const KILLS_OF_A_LOG: u64 = 25;

/// One kill in so many is aimed at the closing of a full segment.
const KILLS_TO_A_ROTATION: u64 = 40;

#[test]
fn a_host_that_is_killed_at_random_moments_loses_nothing_that_it_acknowledged() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let kills = number("CRASH_KILLS").unwrap_or(DEFAULT_KILLS);
    let seed = number("CRASH_SEED").unwrap_or(DEFAULT_SEED);
    say(&format!(
        "crash test: {kills} kills, drawn from CRASH_SEED={seed}"
    ));
    let started = Instant::now();
    let mut campaign = Campaign {
        random: ChaCha8Rng::seed_from_u64(seed),
        sim: env::var_os("CRASH_SIM").map(PathBuf::from),
        found: Found::default(),
    };
    let rotations = kills / KILLS_TO_A_ROTATION;
    let mut left = kills - rotations;
    while left > 0 {
        let of_this_log = left.min(KILLS_OF_A_LOG);
        campaign.live(of_this_log);
        left -= of_this_log;
    }
    campaign.rotate(rotations);
    let found = campaign.found;
    say(&format!("{found:#?}\nin {:.0?}", started.elapsed()));
    assert_eq!(found.kills, kills);
    assert!(found.unsealed > 0, "no kill came while a log was open");
    assert!(found.acknowledged > 0 && found.orders > 0);
}

/// Says something that the harness does not keep to itself.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// What the kills hit.
#[derive(Debug, Default)]
struct Found {
    kills: u64,
    /// Kills before the log had a line.
    before_a_log: u64,
    /// Kills of a log that was not sealed.
    unsealed: u64,
    /// Kills of a log that was.
    sealed: u64,
    torn_tails: u64,
    /// Kills between an input and its last output.
    outputs_missing: u64,
    /// Kills between the seal of a full segment and the end of its compression.
    within_a_rotation: u64,
    logs: u64,
    segments: u64,
    /// Events that were acknowledged and found.
    acknowledged: u64,
    /// Events that the log tells as lost, as the extension did or because they were bad.
    told_as_dropped: u64,
    orders: u64,
    lines_read: u64,
    verified_by_sim: u64,
}

/// What a kill waits for, before its delay.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The host was started.
    Started,
    /// It said hello.
    Greeted,
    /// It sent so many messages after that.
    Heard(u32),
    /// It was told to end, some messages after that.
    HungUp(u32),
}

struct Campaign {
    random: ChaCha8Rng,
    /// The `sim` to be asked, too.
    sim: Option<PathBuf>,
    found: Found,
}

impl Campaign {
    /// The life of one log: so many hosts that are killed, and one that ends it in order.
    fn live(&mut self, kills: u64) {
        let home = Home::with_policy(EAGER_POLICY);
        let mut extension = Extension::new(self.random.random());
        for _ in 0..kills {
            let heard = self.random.random_range(1..12);
            let moment = match self.random.random_range(0..10) {
                0 | 1 => Moment::Started,
                2..=4 => Moment::Greeted,
                5..=7 => Moment::Heard(heard),
                _ => Moment::HungUp(heard),
            };
            let delay = Duration::from_micros(match moment {
                // Sealing takes some milliseconds, and then it is over.
                Moment::HungUp(_) => self.random.random_range(0..20_000),
                // As often a few microseconds as tens of milliseconds: what the host does at a
                // stretch is of all these lengths.
                _ => {
                    let up_to_micros = 1 << self.random.random_range(2..16);
                    self.random.random_range(0..up_to_micros)
                }
            });
            meet_and_kill(&mut extension, &home, moment, delay);
            self.hold_killed(&home, &extension);
        }
        self.end(&home, &mut extension);
    }

    /// Kills at the closing of a full segment: at its seal, while the next one is begun, while it
    /// is compressed.
    fn rotate(&mut self, kills: u64) {
        if kills == 0 {
            return;
        }
        let (full, extension_of_full) = fill_segment();
        for _ in 0..kills {
            let (home, mut extension) = (full.copy(), extension_of_full.clone());
            let delay = Duration::from_micros(self.random.random_range(0..200_000));
            meet_and_kill(&mut extension, &home, Moment::Greeted, delay);
            let trace = self.hold_killed(&home, &extension).expect("a log");
            let is_closed = trace.lines.iter().any(|line| {
                matches!(&line.body, Body::LogClosed(closed) if closed.next_segment.is_some())
            });
            let is_plain =
                the_only_log(&home).is_some_and(|it| it.extension() == Some("jsonl".as_ref()));
            self.found.within_a_rotation += u64::from(is_closed && is_plain);
            self.end(&home, &mut extension);
        }
    }

    /// A last host brings the log to its end. Then nothing may be missing.
    fn end(&mut self, home: &Home, extension: &mut Extension) {
        resend_and_close(extension, home);
        let trace = self.hold(home, extension).expect("a log");
        assert!(trace.is_sealed);
        assert_eq!((trace.torn_bytes, trace.not_written), (0, 0));
        let last_n = extension.find_everything_in(&trace.lines);
        assert_eq!(last_n, extension.sent.len() as u64, "the last event");
        let found = &mut self.found;
        found.logs += 1;
        found.segments += trace.of_type("log_opened").len() as u64;
        found.acknowledged += extension.acknowledged;
        found.told_as_dropped += extension.acknowledged - trace.numbers().len() as u64;
        found.orders += extension.orders.len() as u64;
    }

    fn hold_killed(&mut self, home: &Home, extension: &Extension) -> Option<ReadTrace> {
        let trace = self.hold(home, extension);
        let found = &mut self.found;
        found.kills += 1;
        match &trace {
            None => found.before_a_log += 1,
            Some(trace) if trace.is_sealed => found.sealed += 1,
            Some(trace) => {
                found.unsealed += 1;
                found.torn_tails += u64::from(trace.torn_bytes > 0);
                found.outputs_missing += u64::from(trace.not_written > 0);
            }
        }
        trace
    }

    /// Holds the log to what the extension knows, and to what the engine makes of it.
    fn hold(&mut self, home: &Home, extension: &Extension) -> Option<ReadTrace> {
        let Some(path) = the_only_log(home) else {
            assert_eq!(extension.acknowledged, 0, "what was acknowledged is gone");
            return None;
        };
        let trace = read_killed_trace(&path);
        self.found.lines_read += trace.lines.len() as u64;
        extension.find_everything_in(&trace.lines);
        if let Some(sim) = &self.sim {
            verify(sim, &path);
            self.found.verified_by_sim += 1;
        }
        Some(trace)
    }
}

/// The log of a home, by its first segment; `None` where no line of one was written. A host that
/// is killed when it has created its first segment leaves a file without a line, and the next one
/// begins with another name.
fn the_only_log(home: &Home) -> Option<PathBuf> {
    let mut logs = BTreeMap::new();
    let entries = fs::read_dir(home.traces()).into_iter().flatten();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".jsonl.zst")
            || name.ends_with(".jsonl") && fs::read(&path).unwrap().contains(&b'\n')
        {
            let session = name.split('-').nth(1).unwrap().to_owned();
            let first = logs.entry(session).or_insert_with(|| path.clone());
            *first = path.min(first.clone());
        }
    }
    assert!(logs.len() <= 1, "a log was not gone on with: {logs:?}");
    logs.into_values().next()
}

/// Asks the real `sim verify`. A host that was killed soon has nothing in its log to compare.
fn verify(sim: &Path, path: &Path) {
    let verify = Command::new(sim)
        .args(["verify", "--json"])
        .arg(path)
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&verify.stdout);
    let is_equal = verify.status.success() && report.contains("\"verdict\":\"equal\"");
    let is_short = report.contains("\"why\":\"nothing_recorded\"");
    assert!(
        is_equal || is_short,
        "{report}{}",
        String::from_utf8_lossy(&verify.stderr)
    );
}

/// Makes a home with a log that is almost full: the next large event closes its segment.
fn fill_segment() -> (Home, Extension) {
    let home = Home::new();
    let mut extension = Extension::new(0);
    extension.large_session = true;
    let mut host = Host::start(&home);
    host.send(&hello(&extension.session));
    host.expect("hello");
    loop {
        extension.send_session(&mut host);
        host.expect_ack(extension.sent.len() as u64);
        extension.acknowledged = extension.sent.len() as u64;
        let path = the_only_log(&home).unwrap();
        let bytes = fs::metadata(path).unwrap().len();
        let event_bytes = extension.sent[0].message.to_string().len() as u64;
        assert!(bytes < SEGMENT_BYTES, "the segment is closed already");
        if bytes + event_bytes > SEGMENT_BYTES {
            break;
        }
    }
    host.kill();
    (home, extension)
}

/// Connects to a host of its own and works with it until that is killed.
fn meet_and_kill(extension: &mut Extension, home: &Home, moment: Moment, delay: Duration) {
    let mut host = Host::start(home);
    let mut killer = None;
    if matches!(moment, Moment::Started) {
        killer = Some(kill_after(&host, delay));
    }
    host.send(&hello(&extension.session));
    let (mut greeted, mut heard) = (false, 0);
    let until = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < until, "the kill at {moment:?} never came");
        // Between two messages the extension does something of its own.
        let pause = Duration::from_micros(extension.random.random_range(0..1_500));
        match host.next_message(pause) {
            Err(HasLeft) => break,
            Ok(None) if greeted => extension.act(&mut host),
            Ok(None) => {}
            Ok(Some(message)) => {
                heard += u32::from(greeted);
                greeted |= message["type"] == "hello";
                // Armed before the answer, so that it can hit what the answer causes.
                if killer.is_none() && moment.has_come(greeted, heard) {
                    if matches!(moment, Moment::HungUp(_)) {
                        host.hang_up();
                    }
                    killer = Some(kill_after(&host, delay));
                }
                extension.take(&message, &mut host);
            }
        }
    }
    killer.expect("no host leaves by itself").join().unwrap();
    host.kill();
}

/// Connects to a host, sends again what is missing, and lets it end in order.
fn resend_and_close(extension: &mut Extension, home: &Home) {
    let mut host = Host::start(home);
    host.send(&hello(&extension.session));
    let until = Instant::now() + PATIENCE;
    while extension.sent.is_empty() || extension.acknowledged < extension.sent.len() as u64 {
        assert!(Instant::now() < until, "an acknowledgement is missing");
        if let Some(message) = host.next_message(PATIENCE).unwrap() {
            extension.take(&message, &mut host);
        }
    }
    host.close();
}

impl Moment {
    fn has_come(self, greeted: bool, heard_since: u32) -> bool {
        match self {
            Self::Started => true,
            Self::Greeted => greeted,
            Self::Heard(count) | Self::HungUp(count) => heard_since >= count,
        }
    }
}

/// Kills a host after a while, whatever it and the extension do then.
fn kill_after(host: &Host, delay: Duration) -> JoinHandle<()> {
    // The process is not waited for before this thread was: the id stays its own.
    let (pid, at) = (host.pid(), Instant::now() + delay);
    thread::spawn(move || {
        // A sleep takes fifty microseconds more than it is told.
        thread::sleep(delay.saturating_sub(Duration::from_micros(100)));
        while Instant::now() < at {
            std::hint::spin_loop();
        }
        kill_process(pid, Signal::KILL).unwrap();
    })
}
