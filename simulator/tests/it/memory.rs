//! How much memory `sim` takes: what is open, not what was.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;

use crate::busy::compose;

/// Runs `sim` and returns what it wrote, and the most memory that it ever had resident, in bytes.
fn run(args: &[&str], path: &Path) -> (String, u64) {
    let mut child = Command::new(cargo_bin!("sim"))
        .args(args)
        .arg(path)
        .env("RAYON_NUM_THREADS", "2")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        // A process that has ended and was not waited for yet shows no memory.
        let status = fs::read_to_string(&status).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = kib.map_or(peak, |kib: u64| kib << 10);
        std::thread::yield_now();
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(peak > 0, "its memory was never seen");
    (String::from_utf8(output.stdout).unwrap(), peak)
}

#[test]
fn a_replay_of_a_million_events_takes_no_more_memory_than_one_of_fifty_thousand() {
    let folder = tempfile::tempdir().unwrap();
    let measured = [50_000, 1_000_000].map(|line_count| {
        let trace = folder.path().join(line_count.to_string());
        compose(&trace, line_count);
        let (summary, peak) = run(&["replay", "--summary", "--json"], &trace);
        let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
        assert!(summary["trace"]["lines"].as_u64().unwrap() > line_count);
        assert!(summary["discards"].as_u64().unwrap() > line_count / 1_000);
        peak
    });
    let [short, long] = measured;
    // The same but for where a buffer happened to grow.
    assert!(long < short + (2 << 20), "{short} bytes, then {long}");
    assert!(long < 32 << 20, "{long} bytes");
}

#[test]
fn making_people_takes_as_much_memory_whoever_many_they_are_and_for_however_long() {
    let folder = tempfile::tempdir().unwrap();
    let [short, long, many] = [("2", "20"), ("2", "300"), ("30", "20")].map(|(people, days)| {
        let out = folder.path().join(format!("{people}-for-{days}"));
        #[rustfmt::skip]
        let args = ["synth", "-n", people, "--days", days, "--sample-every", "600", "--json", "--output"];
        let (report, peak) = run(&args, &out);
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        (report["events"].as_u64().unwrap(), peak)
    });
    for more in [long, many] {
        assert!(more.0 > 10 * short.0, "{short:?}, then {more:?}");
        // Where tabs are kept for days there are more of them after months.
        assert!(more.1 < short.1 + (2 << 20), "{short:?}, then {more:?}");
    }
}
