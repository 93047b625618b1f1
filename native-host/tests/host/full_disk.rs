//! A disk that is really full: a small tmpfs in a namespace of its own, where the system lets this
//! process make one. Where it does not, the test says SKIPPED, and with CI=true fails.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use recorder::StoredTrace;
use serde_json::json;

use crate::client::{Home, Host, PATIENCE, hello, new_session, read_trace, session_started};
use crate::extension::Extension;
use crate::privacy::write_old_trace;

/// Names the disk to the process that it was mounted for.
const DISK: &str = "FULL_DISK";

/// A log takes it up within some hundred events.
const DISK_BYTES: usize = 128 << 10;

/// What is on it besides the log, until it is deleted.
const BALLAST_BYTES: usize = 48 << 10;

/// Mounts a tmpfs of so many bytes at a folder, then becomes another program.
const MOUNT: &str = r#"mount -t tmpfs -o "size=$1" tmpfs "$2" && shift 2 && exec "$@""#;

#[test]
fn a_disk_that_is_really_full_stops_the_host_until_there_is_room() {
    let this = "a_disk_that_is_really_full_stops_the_host_until_there_is_room";
    on_a_small_disk(this, fill_and_make_room);
}

#[test]
fn a_choice_to_keep_less_makes_room_on_a_full_disk() {
    let this = "a_choice_to_keep_less_makes_room_on_a_full_disk";
    on_a_small_disk(this, fill_and_keep_less);
}

#[test]
fn what_fills_a_disk_can_be_erased() {
    on_a_small_disk("what_fills_a_disk_can_be_erased", fill_and_erase);
}

/// Starts this test once more, alone and where there is such a disk, and does it there.
#[expect(
    clippy::explicit_write,
    reason = "what a test prints is kept from whoever runs it"
)]
fn on_a_small_disk(this: &str, what: fn(&Path)) {
    if let Some(disk) = env::var_os(DISK) {
        return what(Path::new(&disk));
    }
    let folder = tempfile::tempdir().unwrap();
    let on_small_disk = |program: PathBuf, args: &[&str]| {
        Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", MOUNT, "sh"])
            .arg(DISK_BYTES.to_string())
            .arg(folder.path())
            .arg(program)
            .args(args)
            .env(DISK, folder.path())
            .output()
    };
    let is_allowed = on_small_disk("true".into(), &[]).is_ok_and(|probe| probe.status.success());
    if !is_allowed {
        assert!(
            env::var_os("CI").is_none_or(|ci| ci != "true"),
            "nothing can be mounted here"
        );
        let skipped = "SKIPPED: a really full disk: nothing can be mounted here";
        writeln!(io::stderr(), "{skipped}").unwrap();
        return;
    }
    let this = format!("full_disk::{this}");
    let output = on_small_disk(env::current_exe().unwrap(), &["--exact", &this]).unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn fill_and_make_room(disk: &Path) {
    let home = Home::below(disk);
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![0; BALLAST_BYTES]).unwrap();
    fill(&home, |_| fs::remove_file(ballast).unwrap());
}

fn fill_and_keep_less(disk: &Path) {
    let home = Home::below(disk);
    write_old_trace(&home, 20, BALLAST_BYTES);
    write_old_trace(&home, 2, 1);
    fill(&home, |host| {
        let status = host.ask(json!({"type": "set_privacy", "keep_days": 10}));
        assert_eq!(status["privacy"]["keep_days"], 10, "{status}");
        assert_eq!(status["privacy"]["removed"]["traces"], 1, "{status}");
    });
}

/// Records until the disk is full, makes room, and records on.
fn fill(home: &Home, make_room: impl FnOnce(&mut Host)) {
    let mut extension = Extension::new(1);
    let mut host = Host::start(home);
    host.send(&hello(&extension.session));

    let until = Instant::now() + PATIENCE;
    let mut next_tab = 100;
    while !extension.is_cut_off {
        assert!(Instant::now() < until, "the disk does not get full");
        while let Some(message) = host.next_message(Duration::from_millis(2)).unwrap() {
            extension.take(&message, &mut host);
        }
        if !extension.sent.is_empty() && !extension.is_cut_off {
            let opened = (0..20).map(|_| {
                next_tab += 1;
                json!({"type": "tab_opened", "tab": next_tab, "win": 1, "host": "new.example"})
            });
            extension.send(&opened.collect::<Vec<_>>(), &mut host);
        }
    }
    let acknowledged = extension.acknowledged;
    assert!(acknowledged > 0);
    // What the disk took before it was full stands, and nothing of what it did not take.
    let trace = read_trace(&newest_log(home));
    assert_eq!(trace.torn_bytes, 0);
    assert!(extension.find_everything_in(&trace.lines) >= acknowledged);
    // It tries again, in vain.
    while let Some(message) = host.next_message(Duration::from_millis(2_500)).unwrap() {
        extension.take(&message, &mut host);
    }
    assert_eq!(host.status()["log"]["state"], "failed");

    make_room(&mut host);
    while extension.is_cut_off || extension.acknowledged < extension.sent.len() as u64 {
        let message = host.next_message(PATIENCE).unwrap().expect("a message");
        extension.take(&message, &mut host);
    }
    host.close();
    let trace = read_trace(&newest_log(home));
    assert!(trace.is_sealed && trace.torn_bytes == 0);
    let last_n = extension.find_everything_in(&trace.lines);
    assert_eq!(last_n, extension.sent.len() as u64);
}

fn newest_log(home: &Home) -> PathBuf {
    let traces = StoredTrace::list(&home.traces()).unwrap();
    traces.last().unwrap().files[0].clone()
}

fn fill_and_erase(disk: &Path) {
    let home = Home::below(disk);
    let (mut host, _) = Host::connect(&home, &new_session());
    host.log_events(&[session_started(3)]);
    host.close();
    let mut ballast = fs::File::create(disk.join("ballast")).unwrap();
    let error = (0..=DISK_BYTES).find_map(|_| ballast.write_all(b"x").err());
    assert_eq!(error.unwrap().kind(), io::ErrorKind::StorageFull);

    for (argument, is_there) in [("--dry-run", true), ("--yes", false)] {
        let output = home.command().args(["erase", argument]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*said), (Some(0), ""), "{argument}");
        assert_eq!(home.traces().exists(), is_there, "{argument}");
    }
}
