//! `doctor` on made-up machines: with nothing installed, with everything in order, and with each
//! fault that it knows.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use native_host::browsers::{Browser, Os};
use native_host::health::doctor::{Diagnosis, examine};
use native_host::health::{Face, Machine, Sensors, State, Subject, checks};
use native_host::install::{MANIFEST_NAME, Place, install};
use native_host::paths::Paths;
use native_host::power::Power;
use native_host::pressure_stall::MemoryStall;
use native_host::roots::Roots;
use recorder::{Opening, Origin, Privacy, TraceWriter, compressor};
use serde_json::Value;

use crate::client::{Home, Host, hello, new_session, session_started};

/// 2026-01-02T03:04:05Z.
const LOG_MS: i64 = 1_767_323_045_000;

/// A machine below a folder of its own.
struct Fake {
    folder: tempfile::TempDir,
    os: Os,
    sensors: FakeSensors,
}

#[derive(Clone, Copy)]
struct FakeSensors {
    free_bytes: Option<u64>,
    memory_bytes: Option<u64>,
    has_stall: bool,
    on_battery: Option<bool>,
}

impl Sensors for FakeSensors {
    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        self.free_bytes
            .ok_or(io::ErrorKind::StaleNetworkFileHandle.into())
    }

    fn memory_bytes(&self) -> Option<u64> {
        self.memory_bytes
    }

    fn stall(&self) -> Option<MemoryStall> {
        self.has_stall.then_some(MemoryStall {
            some_avg10: 0.0,
            full_avg10: 0.0,
        })
    }

    fn power(&self) -> Power {
        Power {
            on_battery: self.on_battery,
            charge_percent: None,
        }
    }
}

impl Fake {
    /// A machine with nothing but an empty home folder.
    fn bare() -> Self {
        let fake = Self {
            folder: tempfile::tempdir().unwrap(),
            os: Os::Linux,
            sensors: FakeSensors {
                free_bytes: Some(64 << 30),
                memory_bytes: Some(16 << 30),
                has_stall: true,
                on_battery: Some(false),
            },
        };
        fs::create_dir_all(fake.roots().home).unwrap();
        fake
    }

    /// A machine on which all is as it should be, for Chromium and Firefox.
    fn in_order() -> Self {
        let fake = Self::bare();
        fs::create_dir_all(fake.program().parent().unwrap()).unwrap();
        fs::write(fake.program(), "").unwrap();
        fs::set_permissions(fake.program(), Permissions::from_mode(0o755)).unwrap();
        for path in ["$XDG_CONFIG_HOME/chromium", "~/.mozilla/firefox"] {
            fs::create_dir_all(fake.roots().resolve(path)).unwrap();
        }
        for place in Place::present(&fake.roots()) {
            install(&place, &fake.program(), &[], &fake.paths()).unwrap();
        }
        fake
    }

    fn roots(&self) -> Roots {
        let root = self.folder.path().to_owned();
        let home = root.join("home/ada");
        Roots {
            os: self.os,
            config: home.join(".config"),
            home,
            root,
        }
    }

    fn paths(&self) -> Paths {
        let roots = self.roots();
        let below = |name| roots.home.join(name);
        Paths::below(&roots.config, &below(".local/state"), &below(".cache"))
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("usr/bin/tab-orchestrator-host")
    }

    fn examine(&self, fix: bool) -> Diagnosis {
        let machine = Machine {
            roots: self.roots(),
            paths: self.paths(),
            program: self.program(),
            sensors: Box::new(self.sensors),
        };
        let subject = Subject {
            machine: Arc::new(machine),
            live: None,
        };
        examine(&checks::registry(), &Arc::new(subject), fix)
    }

    /// The manifest of a browser.
    fn manifest(&self, id: &str) -> PathBuf {
        let browser = Browser::by_id(id).unwrap();
        Place::of_browser(browser, &self.roots())
            .unwrap()
            .manifest()
    }

    fn edit_manifest(&self, id: &str, edit: impl Fn(&mut Value)) {
        let path = self.manifest(id);
        let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        edit(&mut manifest);
        fs::write(&path, manifest.to_string()).unwrap();
    }

    /// Writes a file at a path as the table of browsers has them.
    fn write(&self, path: &str, content: &str) {
        self.write_at(&self.roots().resolve(path), content);
    }

    /// Makes a folder for the user alone, also where a file should be.
    fn make_folder(&self, path: &Path) {
        self.write_at(&path.join("x"), "");
        fs::remove_file(path.join("x")).unwrap();
    }

    /// Writes a log of a host whose engine has this version: a segment that was compressed, and the
    /// last.
    fn write_log(&self, engine: u32) -> [PathBuf; 2] {
        let opening = Opening {
            session: "019b7ca9-8c88-7a2c-8af8-9d21e976339b".parse().unwrap(),
            extension_session: None,
            engine,
            host_version: "0.1.0".to_owned(),
            platform: "linux-x86_64".to_owned(),
            privacy: Privacy::Hostname,
            origin: Origin::Recorded,
            generator: None,
            seed: None,
            importer: None,
            derived_from: None,
        };
        let traces = self.paths().traces();
        let mut writer = TraceWriter::create(&traces, &opening, LOG_MS).unwrap();
        let rotation = writer.rotate(LOG_MS + 1_000, None).unwrap();
        let last = writer.path().to_owned();
        writer.close(LOG_MS + 2_000, None).unwrap();
        [rotation.compressed.unwrap(), last]
    }

    fn write_at(&self, path: &Path, content: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        // Whatever the umask is where the tests run.
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
        for folder in [self.paths().config(), self.paths().state()] {
            if path.starts_with(folder) {
                for folder in path
                    .ancestors()
                    .skip(1)
                    .take_while(|it| it.starts_with(folder))
                {
                    fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
                }
            }
        }
    }
}

/// Takes so many bytes off a file's end.
fn cut(path: &Path, bytes: usize) {
    let content = fs::read(path).unwrap();
    fs::write(path, &content[..content.len() - bytes]).unwrap();
}

/// Replaces a file by its compressed form, and returns that.
fn compress(path: &Path) -> PathBuf {
    let compressed = path.with_extension("jsonl.zst");
    let mut encoder = compressor(fs::File::create(&compressed).unwrap()).unwrap();
    io::copy(&mut fs::File::open(path).unwrap(), &mut encoder).unwrap();
    encoder.finish().unwrap();
    fs::set_permissions(&compressed, Permissions::from_mode(0o600)).unwrap();
    fs::remove_file(path).unwrap();
    compressed
}

/// The report for people, without what differs from one release or machine to the next.
fn text(diagnosis: &Diagnosis) -> String {
    let version = format!("host {}", env!("CARGO_PKG_VERSION"));
    diagnosis.to_text().replace(&version, "host VERSION")
}

#[test]
fn a_machine_with_nothing_installed() {
    let diagnosis = Fake::bare().examine(false);
    assert_eq!(diagnosis.exit_code(false), 1);
    insta::assert_snapshot!(text(&diagnosis));
}

#[test]
fn a_machine_in_order() {
    let fake = Fake::in_order();
    let diagnosis = fake.examine(false);
    assert_eq!(
        (diagnosis.exit_code(false), diagnosis.exit_code(true)),
        (0, 0)
    );
    insta::assert_snapshot!(text(&diagnosis));
    // There is nothing to set right.
    assert_eq!(fake.examine(true).fixed, [""; 0]);
}

#[test]
fn the_report_as_json() {
    let fake = Fake::in_order();
    fake.edit_manifest("chromium", |it| it["path"] = "/opt/old/host".into());
    let mut diagnosis = fake.examine(false);
    for check in &mut diagnosis.report.checks {
        check.elapsed_ms = 0;
        check.detail = check.detail.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    }
    insta::assert_json_snapshot!(diagnosis);
}

/// A fault: its name, how it comes about, which check is to find it, how bad it is, and whether
/// `--fix` sets it right.
type Fault = (&'static str, fn(&mut Fake), &'static str, State, bool);

const FAULTS: &[Fault] = &[
    (
        "a browser from flatpak",
        |fake| {
            let folder = fake.roots().resolve("~/.var/app/org.mozilla.firefox");
            fs::create_dir_all(folder).unwrap();
        },
        "browser.sandboxed",
        State::Degraded,
        false,
    ),
    (
        "a browser from snap",
        |fake| fs::create_dir_all(fake.roots().resolve("~/snap/chromium")).unwrap(),
        "browser.sandboxed",
        State::Degraded,
        false,
    ),
    (
        "no manifest at all",
        |fake| {
            for id in ["chromium", "firefox"] {
                fs::remove_file(fake.manifest(id)).unwrap();
            }
        },
        "manifest.present",
        State::Unhealthy,
        true,
    ),
    (
        "no manifest for one of two browsers",
        |fake| fs::remove_file(fake.manifest("firefox")).unwrap(),
        "manifest.present",
        State::Degraded,
        true,
    ),
    (
        "a manifest that is cut off",
        |fake| {
            let path = fake.manifest("chromium");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, &text[..40]).unwrap();
        },
        "manifest.valid",
        State::Unhealthy,
        true,
    ),
    (
        "a manifest of another host",
        |fake| fake.edit_manifest("chromium", |it| it["name"] = "org.other".into()),
        "manifest.valid",
        State::Unhealthy,
        true,
    ),
    (
        "a manifest of another type",
        |fake| fake.edit_manifest("chromium", |it| it["type"] = "pkcs11".into()),
        "manifest.valid",
        State::Unhealthy,
        true,
    ),
    (
        "a manifest that names a program that is gone",
        |fake| fake.edit_manifest("chromium", |it| it["path"] = "/opt/old/host".into()),
        "manifest.path",
        State::Unhealthy,
        true,
    ),
    (
        "a manifest that names another program",
        |fake| {
            let other = fake.folder.path().join("usr/bin/other");
            fs::write(&other, "").unwrap();
            fs::set_permissions(&other, Permissions::from_mode(0o755)).unwrap();
            fake.edit_manifest("firefox", |it| it["path"] = other.to_str().unwrap().into());
        },
        "manifest.path",
        State::Degraded,
        true,
    ),
    (
        "a program that may not be run",
        |fake| fs::set_permissions(fake.program(), Permissions::from_mode(0o600)).unwrap(),
        "manifest.path",
        State::Unhealthy,
        false,
    ),
    (
        "a manifest that does not allow the extension",
        |fake| {
            let other = "chrome-extension://abcdefghijklmnopabcdefghijklmnop/";
            fake.edit_manifest("chromium", |it| it["allowed_origins"] = vec![other].into());
        },
        "manifest.extensions",
        State::Unhealthy,
        true,
    ),
    (
        "a manifest that allows somebody else, too",
        |fake| {
            fake.edit_manifest("firefox", |it| {
                let ids = it["allowed_extensions"].as_array_mut().unwrap();
                ids.push("other@add-on.example".into());
            });
        },
        "manifest.extensions",
        State::Degraded,
        true,
    ),
    (
        "a policy that blocks hosts",
        |fake| {
            let policy = r#"{"NativeMessagingBlocklist": ["*"]}"#;
            fake.write("/etc/chromium/policies/managed/hosts.json", policy);
        },
        "browser.policies",
        State::Unhealthy,
        false,
    ),
    (
        "a policy against hosts of users",
        |fake| {
            let policy = r#"{"NativeMessagingUserLevelHosts": false}"#;
            fake.write("/etc/chromium/policies/managed/hosts.json", policy);
        },
        "browser.policies",
        State::Unhealthy,
        false,
    ),
    (
        "a policy of chromium that blocks extensions",
        |fake| {
            let policy = r#"{"ExtensionSettings": {"*": {"installation_mode": "blocked"}}}"#;
            fake.write("/etc/chromium/policies/managed/extensions.json", policy);
        },
        "browser.policies",
        State::Unhealthy,
        false,
    ),
    (
        "policies that leave unpacked extensions out",
        |fake| {
            let block = r#"{"ExtensionInstallBlocklist": ["*"]}"#;
            fake.write("/etc/chromium/policies/managed/block.json", block);
            let allow = r#"{"ExtensionInstallAllowlist": ["kmlfpgoielmcmbgmfohfgkbbbikedcba"]}"#;
            fake.write("/etc/chromium/policies/managed/allow.json", allow);
        },
        "browser.policies",
        State::Degraded,
        false,
    ),
    (
        "a policy of firefox that blocks extensions",
        |fake| {
            let policy =
                r#"{"policies": {"ExtensionSettings": {"*": {"installation_mode": "blocked"}}}}"#;
            fake.write("/etc/firefox/policies/policies.json", policy);
        },
        "browser.policies",
        State::Unhealthy,
        false,
    ),
    (
        "a policy that cannot be read",
        |fake| fake.write("/etc/chromium/policies/managed/broken.json", "{"),
        "browser.policies",
        State::Degraded,
        false,
    ),
    (
        "a list of extensions with a line that is none",
        |fake| fake.write_at(&fake.paths().extensions(), "# mine\nabc\n"),
        "host.extensions",
        State::Degraded,
        false,
    ),
    (
        "folders and files that are open to others",
        |fake| {
            fake.write_at(&fake.paths().mode(), "{\"mode\":\"observe\"}\n");
            let mode = fake.paths().mode();
            fs::set_permissions(mode, Permissions::from_mode(0o644)).unwrap();
            let state = fake.paths();
            fs::set_permissions(state.state(), Permissions::from_mode(0o755)).unwrap();
        },
        "folder.modes",
        State::Degraded,
        true,
    ),
    (
        "packed traces that are open to others",
        |fake| {
            let packed = fake.paths().packed().path().to_owned();
            fs::create_dir_all(packed.parent().unwrap()).unwrap();
            fs::set_permissions(packed.parent().unwrap(), Permissions::from_mode(0o700)).unwrap();
            fs::create_dir(&packed).unwrap();
            fs::set_permissions(packed, Permissions::from_mode(0o755)).unwrap();
        },
        "folder.modes",
        State::Degraded,
        true,
    ),
    (
        "a file where the folder of the log should be",
        |fake| fake.write_at(&fake.paths().traces(), ""),
        "log.folder",
        State::Unhealthy,
        false,
    ),
    (
        "a policy file with a slip",
        |fake| fake.write_at(&fake.paths().policy(), "batch_high = 2\nttl_minutes = -1\n"),
        "policy.loaded",
        State::Degraded,
        false,
    ),
    (
        "a policy file that is a link to nothing",
        |fake| {
            let path = fake.paths().policy();
            fake.make_folder(path.parent().unwrap());
            symlink("elsewhere.toml", path).unwrap();
        },
        "policy.loaded",
        State::Degraded,
        false,
    ),
    (
        "a choice of privacy that is damaged",
        |fake| fake.write_at(&fake.paths().privacy(), r#"{"privacy":"hostname"}"#),
        "privacy.choice",
        State::Degraded,
        false,
    ),
    (
        "a choice of privacy out of its range",
        |fake| {
            let choice = r#"{"privacy":"site","keep_days":0,"keep_mib":16}"#;
            fake.write_at(&fake.paths().privacy(), choice);
        },
        "privacy.choice",
        State::Degraded,
        false,
    ),
    (
        "a choice of privacy that cannot be read",
        |fake| fake.make_folder(&fake.paths().privacy()),
        "privacy.choice",
        State::Degraded,
        false,
    ),
    (
        "a choice of privacy that is open to others",
        |fake| {
            let path = fake.paths().privacy();
            let choice = r#"{"privacy":"site","keep_days":9,"keep_mib":16}"#;
            fake.write_at(&path, choice);
            fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        },
        "folder.modes",
        State::Degraded,
        true,
    ),
    (
        "a key that is damaged",
        |fake| fake.write_at(&fake.paths().host_key(), "0123456789abcdef\n"),
        "privacy.key",
        State::Degraded,
        false,
    ),
    (
        "a key that is gone",
        |fake| {
            let known = r#"{"privacy":"keyed-hash","hosts":[]}"#;
            fake.write_at(&fake.paths().knowledge(), known);
        },
        "privacy.key",
        State::Degraded,
        false,
    ),
    (
        "a key that cannot be read, and is needed",
        |fake| {
            let choice = r#"{"privacy":"keyed-hash","keep_days":9,"keep_mib":16}"#;
            fake.write_at(&fake.paths().privacy(), choice);
            fake.make_folder(&fake.paths().host_key());
        },
        "privacy.key",
        State::Unhealthy,
        false,
    ),
    (
        "a key that cannot be read, and is not needed",
        |fake| fake.make_folder(&fake.paths().host_key()),
        "privacy.key",
        State::Degraded,
        false,
    ),
    (
        "a key that is open to others",
        |fake| {
            let path = fake.paths().host_key();
            fake.write_at(&path, &format!("{}\n", "0f".repeat(32)));
            fs::set_permissions(path, Permissions::from_mode(0o640)).unwrap();
        },
        "folder.modes",
        State::Degraded,
        true,
    ),
    (
        "a key that lies elsewhere, open to others",
        |fake| {
            let elsewhere = fake.folder.path().join("key");
            fs::write(&elsewhere, format!("{}\n", "0f".repeat(32))).unwrap();
            fs::set_permissions(&elsewhere, Permissions::from_mode(0o644)).unwrap();
            let path = fake.paths().host_key();
            fake.make_folder(path.parent().unwrap());
            symlink(elsewhere, path).unwrap();
        },
        "privacy.key",
        State::Degraded,
        false,
    ),
    (
        "a disk that is nearly full",
        |fake| fake.sensors.free_bytes = Some(100 << 20),
        "disk.free",
        State::Degraded,
        false,
    ),
    (
        "a full disk",
        |fake| fake.sensors.free_bytes = Some(1 << 20),
        "disk.free",
        State::Unhealthy,
        false,
    ),
    (
        "a disk that does not answer",
        |fake| fake.sensors.free_bytes = None,
        "disk.free",
        State::Unhealthy,
        false,
    ),
    (
        "a log with a torn end",
        |fake| cut(&fake.write_log(1)[1], 5),
        "log.torn",
        State::Degraded,
        false,
    ),
    (
        "a compressed log with a torn end",
        |fake| {
            let [_, log] = fake.write_log(1);
            cut(&log, 5);
            compress(&log);
        },
        "log.torn",
        State::Degraded,
        false,
    ),
    (
        "a compressed log that is cut off",
        |fake| cut(&fake.write_log(1)[0], 5),
        "log.torn",
        State::Degraded,
        false,
    ),
    (
        "a log of a newer host",
        |fake| drop(fake.write_log(99)),
        "host.versions",
        State::Degraded,
        false,
    ),
    (
        "a compressed log of a newer host",
        |fake| fs::remove_file(&fake.write_log(99)[1]).unwrap(),
        "host.versions",
        State::Degraded,
        false,
    ),
    (
        "a log of a newer host before one of this",
        |fake| {
            let [_, log] = fake.write_log(99);
            let text = fs::read_to_string(&log).unwrap();
            fs::write(&log, text.replacen("\"engine\":99", "\"engine\":1", 1)).unwrap();
        },
        "host.versions",
        State::Degraded,
        false,
    ),
    (
        "a log of a newer format",
        |fake| {
            let [_, log] = fake.write_log(1);
            let text = fs::read_to_string(&log).unwrap();
            fs::write(&log, text.replacen("\"v\":1", "\"v\":2", 1)).unwrap();
        },
        "host.versions",
        State::Degraded,
        false,
    ),
    (
        "memory that cannot be read",
        |fake| fake.sensors.memory_bytes = None,
        "sensor.memory",
        State::Unhealthy,
        false,
    ),
    (
        "a kernel without stall time",
        |fake| fake.sensors.has_stall = false,
        "sensor.stall",
        State::Degraded,
        false,
    ),
    (
        "a system that does not tell of batteries",
        |fake| fake.sensors.on_battery = None,
        "sensor.battery",
        State::Degraded,
        false,
    ),
];

#[test]
fn each_fault_is_found_and_what_is_safe_is_set_right() {
    let mut listing = String::new();
    for &(name, make, id, state, is_fixed) in FAULTS {
        let mut fake = Fake::in_order();
        make(&mut fake);
        let diagnosis = fake.examine(false);
        let bad = |diagnosis: &Diagnosis| -> Vec<_> {
            let checks = diagnosis.report.checks.iter();
            checks
                .filter(|it| matches!(it.state, State::Degraded | State::Unhealthy))
                .map(|it| (it.id, it.state))
                .collect()
        };
        assert_eq!(
            bad(&diagnosis),
            [(id, state)],
            "{name}: found by this check alone"
        );
        let codes = (diagnosis.exit_code(false), diagnosis.exit_code(true));
        let expect = (u8::from(diagnosis.report.state == State::Unhealthy), 1);
        assert_eq!(codes, expect, "{name}");

        let mended = fake.examine(true);
        assert_eq!(bad(&mended).is_empty(), is_fixed, "{name}: {mended:?}");
        assert_eq!(!mended.fixed.is_empty(), is_fixed, "{name}: {mended:?}");
        listing.push_str(&format!("# {name}\n{}", text(&diagnosis)));
        for deed in &mended.fixed {
            listing.push_str(&format!("--fix: {deed}\n"));
        }
        listing.push('\n');
    }
    // What is in order is in a snapshot of its own.
    let is_told = |line: &&str| !line.starts_with("HEALTHY ");
    let listing: Vec<_> = listing.lines().filter(is_told).collect();
    insta::assert_snapshot!(listing.join("\n"));
}

#[test]
fn of_compressed_logs_the_newest_are_looked_at_and_it_is_told_how_many() {
    let fake = Fake::in_order();
    let [older, newer] = fake.write_log(1);
    let torn = || {
        let checks = fake.examine(false).report.checks;
        checks.into_iter().find(|it| it.id == "log.torn").unwrap()
    };
    // It takes all that may be read.
    let lines = fs::File::options().write(true).open(&newer).unwrap();
    lines.set_len(256 << 20).unwrap();
    let newer = compress(&newer);
    cut(&older, 5);
    let finding = torn();
    assert_eq!(finding.state, State::Healthy, "{finding:?}");
    assert_eq!(
        finding.detail,
        "none does; the oldest 2 of 2 compressed ones were not read to their end"
    );
    fs::rename(&newer, newer.with_file_name("0.jsonl.zst")).unwrap();
    let finding = torn();
    assert_eq!(finding.state, State::Degraded, "{finding:?}");
    let (first, last) = finding.detail.split_once('\n').unwrap();
    assert!(first.ends_with("incomplete frame"), "{first}");
    assert_eq!(
        last,
        "the oldest 1 of 2 compressed ones were not read to their end"
    );
}

#[test]
fn every_check_that_can_fail_has_a_fault_that_makes_it() {
    for check in checks::registry().checks(Face::Doctor) {
        let is_made = FAULTS.iter().any(|fault| fault.2 == check.id);
        // A machine without a browser is a test of its own.
        assert!(is_made || check.id == "browser.found", "{}", check.id);
        let is_fixed = FAULTS.iter().any(|fault| fault.2 == check.id && fault.4);
        assert_eq!(is_fixed, check.repair.is_some(), "{}: its repair", check.id);
    }
}

#[test]
fn on_macos_the_same_table_is_looked_at() {
    let mut fake = Fake::bare();
    fake.os = Os::MacOs;
    fs::create_dir_all(fake.program().parent().unwrap()).unwrap();
    fs::write(fake.program(), "").unwrap();
    fs::set_permissions(fake.program(), Permissions::from_mode(0o755)).unwrap();
    let own = fake
        .roots()
        .resolve("~/Library/Application Support/Google/Chrome");
    fs::create_dir_all(&own).unwrap();
    let diagnosis = fake.examine(true);
    assert_eq!(diagnosis.report.state, State::Healthy, "{diagnosis:?}");
    assert!(
        own.join("NativeMessagingHosts")
            .join(MANIFEST_NAME)
            .exists()
    );
}

#[test]
fn as_people_run_it() {
    let home = Home::new();
    let run = |arguments: &[&str]| {
        let output = home.command().args(arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, text) = run(&["doctor"]);
    assert_eq!(code, Some(1));
    assert!(text.contains("UNHEALTHY  browser.found"), "{text}");
    fs::create_dir_all(home.config().join("chromium")).unwrap();
    let (_, text) = run(&["doctor", "--fix", "--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["fixed"].as_array().unwrap().len(), 1, "{text}");
    let manifest = &report["checks"].as_array().unwrap()[2];
    assert_eq!(
        (&manifest["id"], &manifest["state"]),
        (&"manifest.present".into(), &"HEALTHY".into())
    );
}

fn check_of<'a>(report: &'a Value, id: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["id"] == id).unwrap()
}

#[test]
fn a_running_host_tells_its_health_and_why_it_is_not_well() {
    let home = Home::new();
    fs::create_dir_all(home.state()).unwrap();
    fs::write(home.traces(), "no folder").unwrap();
    let mut host = Host::start(&home);
    host.send(&hello(&new_session()));
    let error = host.expect_error("log_unavailable");
    let health = host.status()["health"].clone();
    assert_eq!(health["state"], "UNHEALTHY", "{health}");
    let log = check_of(&health, "log.writing");
    assert_eq!(
        (&log["state"], &log["required"]),
        (&"UNHEALTHY".into(), &true.into())
    );
    // The log's own error, without the user's name.
    let message = error["message"].as_str().unwrap();
    let message = message.replace(home.path().to_str().unwrap(), "~");
    assert!(log["detail"].as_str().unwrap().ends_with(&message), "{log}");
    assert_eq!(log["fix"], error["fix"]);
    assert_eq!(check_of(&health, "metrics.fresh")["state"], "SKIPPED");
    // It is alive all the same.
    let pong = host.ask(serde_json::json!({"type": "ping"}));
    assert_eq!(pong["health"]["state"], "HEALTHY", "{pong}");

    fs::remove_file(home.traces()).unwrap();
    host.expect("hello");
    host.go_back_to(0);
    host.log_events(&[session_started(2)]);
    let health = host.status()["health"].clone();
    for id in [
        "log.writing",
        "metrics.fresh",
        "protocol.agreed",
        "policy.loaded",
    ] {
        assert_eq!(check_of(&health, id)["state"], "HEALTHY", "{health}");
    }
    host.close();

    fs::write(home.policy_file(), "ttl_minutes = -1").unwrap();
    let (mut host, _) = Host::connect(&home, &new_session());
    let health = host.status()["health"].clone();
    let policy = check_of(&health, "policy.loaded");
    assert_eq!(policy["state"], "DEGRADED", "{health}");
    assert!(
        policy["detail"].as_str().unwrap().contains("ttl_minutes"),
        "{policy}"
    );
    host.close();
}
