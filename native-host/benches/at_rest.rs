//! What the host costs while nothing happens: processor time and memory over a minute, with a
//! hundred tabs open. Beside it stands what sampling costs as the original did it, at each request.
//!
//! `cargo bench -p native-host --bench at_rest [-- SECONDS]` writes one JSON object. The real
//! program is started as a browser starts it, and looked at from outside, in `/proc`.

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use native_host::browsers::Family;
use native_host::extensions::ExtensionId;
use native_host::framing::{MessageReader, write_message};
use serde_json::{Value, json};
use sysinfo::{MINIMUM_CPU_UPDATE_INTERVAL, System};

const TABS: i64 = 100;

/// How often the host samples the machine.
const SAMPLE_EVERY: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    // Without it this is a test run, which only sees that it works.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let seconds = arguments.find_map(|argument| argument.parse().ok());
    let seconds: u64 = seconds.unwrap_or(if is_bench { 60 } else { 1 });

    let home = tempfile::tempdir()?;
    let mut host = Command::new(env!("CARGO_BIN_EXE_tab-orchestrator-host"))
        .arg(ExtensionId::own(Family::Chromium).in_manifest())
        .env("HOME", home.path())
        .env("XDG_CONFIG_HOME", home.path().join("config"))
        .env("XDG_STATE_HOME", home.path().join("state"))
        .env("XDG_CACHE_HOME", home.path().join("cache"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    settle(&mut host)?;

    let before = Cost::of(&host)?;
    let started = Instant::now();
    std::thread::sleep(Duration::from_secs(seconds));
    let after = Cost::of(&host)?;
    let elapsed = started.elapsed();
    drop(host.stdin.take());
    host.wait()?;

    let processor = after.processor.saturating_sub(before.processor);
    let original = original_sample()?;
    let percent = |time: Duration, of: Duration| time.as_secs_f64() / of.as_secs_f64() * 100.0;
    let mb = |kib: u64| kib as f64 * 1024.0 / 1e6;
    let figures = json!({
        "seconds": elapsed.as_secs_f64(),
        "tabs": TABS,
        "core_percent": percent(processor, elapsed),
        "resident_mb": mb(after.rss_kib),
        "proportional_mb": mb(after.pss_kib),
        "original_core_percent": percent(original, SAMPLE_EVERY),
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{figures}")?;
    Ok(())
}

/// Returns the processor time of a sample as the original takes one, the mean of some: it looks
/// for all there is of all processes, waits so that use of the processor can be told, and looks
/// again.
///
/// Source: tase-nikol/tab-memory-orchestrator 6694faeb, `native-host/src/`.
fn original_sample() -> anyhow::Result<Duration> {
    const SAMPLES: u32 = 5;
    let before = processor_time("self")?;
    for _ in 0..SAMPLES {
        let mut system = System::new_all()?;
        std::thread::sleep(MINIMUM_CPU_UPDATE_INTERVAL);
        system.refresh_all();
        std::hint::black_box(system.used_memory());
    }
    Ok((processor_time("self")? - before) / SAMPLES)
}

/// Says hello, opens the tabs, and waits for the acknowledgement and the first sample.
fn settle(host: &mut Child) -> anyhow::Result<()> {
    let mut stdin = host.stdin.as_ref().context("stdin is piped")?;
    let mut reader = MessageReader::new(host.stdout.as_mut().context("stdout is piped")?);
    let mut send = |message: Value| write_message(&mut stdin, message.to_string().as_bytes());
    send(json!({
        "type": "hello", "protocol": [1, 1], "extension_version": "0.1.0",
        "extension_session": uuid::Uuid::now_v7().to_string(), "incognito": false,
    }))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let at_ms = u64::try_from(now)?;
    let tabs: Vec<Value> = (1..=TABS)
        .map(|tab| json!({"tab": tab, "win": 1, "host": format!("{tab}.example"), "scheme": "https"}))
        .collect();
    send(json!({"type": "events", "events": [{
        "type": "session_started", "n": 1, "at_ms": at_ms, "idle": "active",
        "windows": [{"win": 1, "focused": true}], "tabs": tabs,
    }]}))?;
    loop {
        let message = reader.read()?.context("the host left")?;
        let message: Value = serde_json::from_slice(&message)?;
        if message["type"] == "ack" {
            break;
        }
    }
    std::thread::sleep(Duration::from_secs(2));
    Ok(())
}

/// What a process has cost so far.
struct Cost {
    processor: Duration,
    rss_kib: u64,
    pss_kib: u64,
}

impl Cost {
    fn of(process: &Child) -> anyhow::Result<Self> {
        let id = process.id().to_string();
        let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
        let kib = |name: &str| -> anyhow::Result<u64> {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name));
            let value = line.and_then(|line| line.trim().strip_suffix(" kB"));
            Ok(value
                .with_context(|| format!("no {name} in smaps_rollup"))?
                .parse()?)
        };
        Ok(Self {
            processor: processor_time(&id)?,
            rss_kib: kib("Rss:")?,
            pss_kib: kib("Pss:")?,
        })
    }
}

/// The time that a process's threads have spent on a processor.
fn processor_time(id: &str) -> anyhow::Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{id}/task"))? {
        // In nanoseconds, it is the first number.
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let first = text.split_ascii_whitespace().next();
        nanoseconds += first.context("schedstat is empty")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}
