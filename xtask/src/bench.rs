//! Measures everything, puts it beside what it is compared with, and says what was to be reached.
//!
//! Nothing fails here but what cannot be measured: a figure that is missed is told as missed. What
//! runs in one process is measured by `simulator/benches/limits`; here are whole programs, in turn,
//! and the table of it all, which goes to `simulator/benches/results/`.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::steps::{Steps, browser, cargo, npm, release, root, say};

/// About 500,000 events, as are compared with Node and Python.
const SHORT_DAYS: u32 = 280;
/// About 5,000,000 events.
const LONG_DAYS: u32 = 2_700;
/// About 50,000,000 events.
const ENDLESS_DAYS: u32 = 27_000;

const BUFFER_BYTES: usize = 256 << 10;
const VISITS: u64 = 200_000;

/// How thorough a run is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Fewer rounds, on the short trace alone.
    pub(crate) is_quick: bool,
    /// The 50,000,000 events, too.
    pub(crate) is_full: bool,
}

/// A line of the table.
struct Row {
    what: String,
    target: String,
    measured: String,
    /// None where nothing is to be reached, or it was not run.
    is_met: Option<bool>,
}

/// What a figure is held to.
#[derive(Clone, Copy)]
enum Target {
    AtMost(f64),
    AtLeast(f64),
    Below(f64),
    None,
}

#[derive(Default)]
struct Table(Vec<Row>);

impl Table {
    fn add(&mut self, what: &str, target: Target, figure: f64, unit: &str) {
        let (target, is_met) = match target {
            Target::AtMost(limit) => (format!("at most {limit}{unit}"), Some(figure <= limit)),
            Target::AtLeast(limit) => (format!("at least {limit}{unit}"), Some(figure >= limit)),
            Target::Below(limit) => (format!("below {limit}{unit}"), Some(figure < limit)),
            Target::None => (String::new(), None),
        };
        let measured = match figure.abs() {
            100.0.. => format!("{figure:.0}{unit}"),
            1.0.. => format!("{figure:.2}{unit}"),
            _ => format!("{figure:.3}{unit}"),
        };
        self.0.push(Row {
            what: what.to_owned(),
            target,
            measured,
            is_met,
        });
    }

    fn not_run(&mut self, what: &str, why: &str) {
        self.0.push(Row {
            what: what.to_owned(),
            target: String::new(),
            measured: format!("not run: {why}"),
            is_met: None,
        });
    }

    fn to_markdown(&self) -> String {
        let mut text = "| what | target | measured | |\n|---|---|---|---|\n".to_owned();
        for row in &self.0 {
            let verdict = match row.is_met {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "",
            };
            let Row {
                what,
                target,
                measured,
                ..
            } = row;
            let _ = writeln!(text, "| {what} | {target} | {measured} | {verdict} |");
        }
        text
    }
}

/// Measures all of it, and writes the table.
pub(crate) fn run(steps: &mut Steps, effort: Effort) -> anyhow::Result<()> {
    steps.command(
        "build sim, the host and the limits",
        release(["simulator", "native-host", "limits"]),
    )?;
    let bench = Bench::new(effort)?;
    let mut table = Table::default();
    steps.run("make the traces", || bench.make_traces())?;
    steps.run("decoding, replays, sweeps, steps", || {
        bench.limits(&mut table)
    })?;
    steps.run("sim replay", || bench.replay(&mut table))?;
    steps.run("Node and Python", || bench.peers(&mut table))?;
    steps.run("memory", || bench.memory(&mut table))?;
    steps.run("sim synth and sim import", || bench.writing(&mut table))?;
    steps.run("the host at rest", || bench.host(&mut table))?;
    if browser().exists() {
        steps.run("from a wish to an order", || bench.latency(&mut table))?;
    } else {
        table.not_run(
            "a wish for memory → the order, in a browser",
            "there is no browser",
        );
    }
    bench.write(&table)
}

struct Bench {
    effort: Effort,
    rounds: usize,
    folder: PathBuf,
    sim: PathBuf,
}

impl Bench {
    fn new(effort: Effort) -> anyhow::Result<Self> {
        let folder = root().join("target/limits");
        fs::create_dir_all(&folder)?;
        Ok(Self {
            effort,
            rounds: if effort.is_quick { 3 } else { 5 },
            sim: root().join("target/release/sim"),
            folder,
        })
    }

    fn short(&self) -> PathBuf {
        self.folder.join("short")
    }

    /// The trace that most is measured on.
    fn trace(&self) -> PathBuf {
        let name = if self.effort.is_quick {
            "short"
        } else {
            "long"
        };
        self.folder.join(name)
    }

    fn sim(&self, arguments: &[&str]) -> Command {
        let mut sim = Command::new(&self.sim);
        sim.args(arguments);
        sim
    }

    /// Makes the traces, by the program that is measured. One event in five is a sample of the machine.
    fn make_traces(&self) -> anyhow::Result<()> {
        let mut wanted = vec![("short", SHORT_DAYS)];
        if !self.effort.is_quick {
            wanted.push(("long", LONG_DAYS));
        }
        if self.effort.is_full {
            wanted.push(("endless", ENDLESS_DAYS));
        }
        for (name, days) in wanted {
            for is_compressed in [false, true] {
                // On the endless one memory alone is measured, by the plain file.
                if is_compressed && name == "endless" {
                    continue;
                }
                let suffix = if is_compressed { "-zstd" } else { "" };
                let folder = self.folder.join(format!("{name}{suffix}"));
                if folder.exists() {
                    fs::remove_dir_all(&folder)?;
                }
                let mut sim = self.synth(days, &folder);
                quiet(sim.args(is_compressed.then_some("--compress")))?;
            }
        }
        // What is written to the disk only later would be written while something is measured.
        quiet(&mut Command::new("sync"))
    }

    fn limits_program() -> Command {
        Command::new(root().join("target/release/limits"))
    }

    fn synth(&self, days: u32, folder: &Path) -> Command {
        let mut sim = self.sim(&[
            "synth",
            "--profile",
            "heavy",
            "--sample-every",
            "85",
            "--json",
        ]);
        sim.args(["--days", &days.to_string()])
            .arg("--output")
            .arg(folder);
        sim
    }

    fn limits(&self, table: &mut Table) -> anyhow::Result<()> {
        let trace = self.trace();
        let zstd = trace.with_file_name(format!("{}-zstd", name_of(&trace)));
        let output = Self::limits_program()
            .arg("time")
            .arg(self.trace())
            .arg(zstd)
            .arg(self.rounds.to_string())
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "limits: {}", output.status);
        let figures: Value = serde_json::from_slice(&output.stdout)?;
        let ns = |name: &str| -> anyhow::Result<f64> {
            (figures[name].as_f64()).with_context(|| format!("nothing was measured of {name}"))
        };
        let per_second = |name: &str| ns(name).map(|ns| 1e3 / ns);
        fs::write(self.folder.join("limits.json"), &output.stdout)?;
        let mut ratio = |what: &str, target: Target, of: &str, to: &str| -> anyhow::Result<()> {
            table.add(what, target, ns(of)? / ns(to)?, " ×");
            Ok(())
        };
        use Target::{AtLeast, AtMost};
        ratio(
            "lines in memory → packed, to a scan by hand",
            AtMost(1.5),
            "lines_packed",
            "scan",
        )?;
        ratio("a line, to a scan by hand", Target::None, "line", "scan")?;
        ratio(
            "files → packed with all checks, to a scan by hand with the same sums",
            AtMost(1.5),
            "trace_packed",
            "scan_files",
        )?;
        ratio(
            "serde_json with a tagged enum, to lines in memory → packed",
            AtLeast(2.5),
            "serde_tagged",
            "lines_packed",
        )?;
        ratio(
            "files → packed by one thread, to two: one reads and sums, one packs, both parse",
            AtLeast(1.7),
            "trace_packed",
            "trace_packed_ahead",
        )?;
        ratio(
            "lines in memory → packed by one thread, to two over line-aligned halves",
            AtLeast(1.7),
            "lines_packed",
            "lines_packed_by_two",
        )?;
        ratio(
            "zstd JSON Lines → packed, to plain ones",
            AtMost(1.3),
            "trace_packed_ahead_from_zstd",
            "trace_packed_ahead",
        )?;
        ratio(
            "a step with 2,000 tabs open, to one with 30",
            AtMost(1.3),
            "step_2000",
            "step_30",
        )?;
        ratio(
            "a replay with its frontier, 2,000 tabs open, to 30",
            AtMost(1.3),
            "frontier_2000",
            "frontier_30",
        )?;
        ratio(
            "a variant of a sweep, to a replay alone",
            AtMost(1.2),
            "sweep_one_thread",
            "packed_replay",
        )?;
        ratio(
            "a replay alone, to a variant of 16 side by side",
            AtLeast(3.0),
            "packed_replay",
            "sweep_one_thread",
        )?;
        ratio(
            "a sweep by one thread, to two",
            AtLeast(1.8),
            "sweep_one_thread",
            "sweep_two_threads",
        )?;
        let general = (figures["general_share"].as_f64()).context("no share was measured")?;
        table.add(
            "lines of our own that only the general path reads",
            AtMost(0.0),
            100.0 * general,
            " %",
        );
        table.add(
            "a replay of a packed trace (libCacheSim's LRU on a binary trace: 13 to 20)",
            AtLeast(20.0),
            per_second("packed_replay")?,
            " M events/s",
        );
        table.add(
            "files → packed",
            Target::None,
            per_second("trace_packed")?,
            " M events/s",
        );
        Ok(())
    }

    /// The whole program against decoding alone.
    fn replay(&self, table: &mut Table) -> anyhow::Result<()> {
        let output = self
            .sim(&["replay", "--summary", "--json"])
            .arg(self.trace())
            .output()?;
        let summary: Value = serde_json::from_slice(&output.stdout)?;
        let lines = summary["trace"]["lines"].as_f64().context("lines")?;
        let [replay, decode] = in_turn(
            self.rounds,
            [
                &mut || quiet(self.sim(&["replay", "--summary"]).arg(self.trace())),
                &mut || quiet(Self::limits_program().arg("decode").arg(self.trace())),
            ],
        )?;
        table.add(
            "`sim replay` on JSON Lines, all scores, to decoding alone",
            Target::AtMost(1.4),
            replay / decode,
            " ×",
        );
        let rate = lines / replay / 1e6;
        table.add("the same", Target::None, rate, " M events/s");
        Ok(())
    }

    /// The same replay by other means. That it is the same is checked first.
    fn peers(&self, table: &mut Table) -> anyhow::Result<()> {
        let peers = root().join("simulator/benches/peers");
        let peer = |program: &str, script: &str| {
            let mut command = Command::new(program);
            command.arg(peers.join(script)).arg(self.short());
            command
        };
        let ours = || {
            let mut sim = self.sim(&["replay", "--policy", "ttl-15", "--summary", "--json"]);
            sim.arg(self.short());
            sim
        };
        let found = |mut command: Command| -> anyhow::Result<[Option<u64>; 2]> {
            let output = command.stderr(Stdio::inherit()).output()?;
            let told: Value = serde_json::from_slice(&output.stdout)?;
            Ok(["discards", "reloads"].map(|name| told[name].as_u64()))
        };
        let expected = found(ours())?;
        for (program, script) in [("node", "replay.mjs"), ("python3", "replay.py")] {
            let found = found(peer(program, script))?;
            if found != expected {
                bail!("{script}: found {found:?} discards and reloads, expected {expected:?}");
            }
        }
        let [ours, node, python] = in_turn(
            self.rounds,
            [
                &mut || quiet(&mut ours()),
                &mut || quiet(&mut peer("node", "replay.mjs")),
                &mut || quiet(&mut peer("python3", "replay.py")),
            ],
        )?;
        table.add(
            "Node, to `sim replay`, ttl-15",
            Target::AtLeast(10.0),
            node / ours,
            " ×",
        );
        table.add(
            "Python, to `sim replay`, ttl-15",
            Target::AtLeast(30.0),
            python / ours,
            " ×",
        );
        Ok(())
    }

    fn memory(&self, table: &mut Table) -> anyhow::Result<()> {
        let mut measure = |name: &str, events: &str| -> anyhow::Result<()> {
            let mut sim = self.sim(&["replay", "--summary"]);
            let peak = peak_mb(sim.arg(self.folder.join(name)))?;
            let what = format!("peak memory of `sim replay` on {events} events");
            table.add(&what, Target::Below(32.0), peak, " MB");
            Ok(())
        };
        measure("short", "500,000")?;
        if !self.effort.is_quick {
            measure("long", "5,000,000")?;
        }
        if self.effort.is_full {
            measure("endless", "50,000,000")?;
        } else {
            let what = "peak memory of `sim replay` on 50,000,000 events";
            table.not_run(what, "`--full` runs it");
        }
        Ok(())
    }

    /// Writing a trace against copying the same bytes through a buffer, and with the sums that a
    /// trace has of them. All of them write files that were not there before: to write over others
    /// takes a file system three times as long.
    fn writing(&self, table: &mut Table) -> anyhow::Result<()> {
        let [made, copied, summed] =
            ["made", "copied", "summed"].map(|name| self.folder.join(name));
        let visits = self.folder.join("visits.csv");
        write_visits(&visits)?;
        let layout = [
            "import", "visits", "--user", "who", "--time", "when", "--host", "where",
        ];
        let mut import = self.sim(&layout);
        import.arg(&visits).arg("--output").arg(&made);
        let clear = || -> anyhow::Result<()> {
            for folder in [&made, &copied, &summed] {
                match fs::remove_dir_all(folder) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => bail!(error),
                    _ => {}
                }
            }
            Ok(())
        };
        for (what, mut write) in [
            ("`sim synth`", self.synth(SHORT_DAYS, &made)),
            ("`sim import visits`", import),
        ] {
            let [_, written, copied, summed] = in_turn(
                self.rounds,
                [
                    &mut || clear(),
                    &mut || quiet(&mut write),
                    &mut || copy_files(&made, &copied, &mut |_| {}),
                    &mut || copy_summed(&made, &summed),
                ],
            )?;
            let to_copy = format!("{what}, to a buffered copy");
            table.add(&to_copy, Target::AtMost(2.0), written / copied, " ×");
            let to_summed = format!("{what}, to one with the same sums");
            table.add(&to_summed, Target::None, written / summed, " ×");
        }
        clear()
    }

    fn host(&self, table: &mut Table) -> anyhow::Result<()> {
        let seconds = if self.effort.is_quick { "15" } else { "60" };
        let mut bench = cargo(["bench", "--quiet", "--package", "native-host"]);
        let output = bench
            .args(["--bench", "at_rest", "--", seconds])
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(output.status.success(), "at_rest: {}", output.status);
        let told: Value = serde_json::from_slice(&output.stdout)?;
        let figure = |name: &str| told[name].as_f64().with_context(|| format!("no {name}"));
        let at_rest = figure("core_percent")?;
        table.add(
            "the host at rest, of a core",
            Target::Below(0.1),
            at_rest,
            " %",
        );
        table.add(
            "the host at rest, resident",
            Target::Below(15.0),
            figure("resident_mb")?,
            " MB",
        );
        let original = figure("original_core_percent")?;
        let what = "sampling as the original does, of a core, to the host at rest";
        table.add(what, Target::None, original / at_rest, " ×");
        Ok(())
    }

    fn latency(&self, table: &mut Table) -> anyhow::Result<()> {
        let rounds = if self.effort.is_quick { "10" } else { "30" };
        let mut latency = npm(["run", "--silent", "latency", "--", "--rounds", rounds]);
        let output = latency.stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "latency: {}", output.status);
        let told: Value = serde_json::from_slice(&output.stdout)?;
        let mut add = |what: &str, from: &str, name: &str, target: Target| -> anyhow::Result<()> {
            let figure = told[from][format!("{name}_ms")].as_f64();
            let figure = figure.with_context(|| format!("no {name} {from}"))?;
            table.add(&format!("{what}, {name}"), target, figure, " ms");
            Ok(())
        };
        let event = "`prune_requested` sent → the order in the worker's hands";
        add(event, "from_event", "p50", Target::Below(3.0))?;
        add(event, "from_event", "p99", Target::Below(20.0))?;
        let wish = "the wish in the popup → the order";
        add(wish, "from_wish", "p50", Target::None)?;
        let ping = "a ping of the worker's → the host's answer in its hands";
        add(ping, "ping", "p50", Target::None)?;
        Ok(())
    }

    /// Writes the table under the day and the machine, and to stdout.
    fn write(&self, table: &Table) -> anyhow::Result<()> {
        let day = said("date", &["+%F"])?;
        let processor = processor()?;
        let cores = std::thread::available_parallelism()?;
        let commit = said(
            "git",
            &[
                "-C",
                &root().display().to_string(),
                "rev-parse",
                "--short",
                "HEAD",
            ],
        )?;
        let rustc = said("rustc", &["--version"])?;
        let text = format!(
            "# {day}, {processor}, {cores} cores\n\n`cargo xtask bench{}` at {commit}, {rustc}. \
             Medians of {} interleaved runs; a ratio a × b says that the first takes a times as long \
             as the second.\n\n{}",
            match (self.effort.is_quick, self.effort.is_full) {
                (true, _) => " --quick",
                (_, true) => " --full",
                _ => "",
            },
            self.rounds,
            table.to_markdown()
        );
        io::stdout().write_all(text.as_bytes())?;
        let results = root().join("simulator/benches/results");
        fs::create_dir_all(&results)?;
        let words = processor.split(|letter: char| !letter.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let machine = words.join("-").to_lowercase();
        let path = results.join(format!("{day}-{machine}-{cores}-cores.md"));
        fs::write(&path, text)?;
        say(&format!("{}", path.display()));
        Ok(())
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().display().to_string()
}

/// Runs some jobs in turn, so many times after one that does not count, and returns the median
/// time of each in seconds.
fn in_turn<const N: usize>(
    rounds: usize,
    mut jobs: [&mut dyn FnMut() -> anyhow::Result<()>; N],
) -> anyhow::Result<[f64; N]> {
    let mut times = [const { Vec::new() }; N];
    for round in 0..=rounds {
        for (job, times) in jobs.iter_mut().zip(&mut times) {
            let start = Instant::now();
            job()?;
            if round > 0 {
                times.push(start.elapsed().as_secs_f64());
            }
        }
    }
    Ok(times.map(|mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }))
}

/// Runs a program whose output is of no interest.
fn quiet(command: &mut Command) -> anyhow::Result<()> {
    let status = command.stdout(Stdio::null()).status();
    let status =
        status.with_context(|| format!("{} cannot be run", command.get_program().display()))?;
    ensure!(
        status.success(),
        "{}: {status}",
        command.get_program().display()
    );
    Ok(())
}

/// What the processor is called, or where it has no name, its architecture: ratios differ from one
/// to another.
fn processor() -> anyhow::Result<String> {
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    match name.and_then(|name| name.split_once(": ")) {
        Some((_, name)) => Ok(name.trim().to_owned()),
        None => said("uname", &["-m"]),
    }
}

/// What a program says, without the line's end.
fn said(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("{program} cannot be run"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a program, and returns the most memory that it ever had resident, in MB.
fn peak_mb(command: &mut Command) -> anyhow::Result<f64> {
    let mut child = command.stdout(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kib = 0.0;
    let ended = loop {
        // A process that has ended and was not waited for yet shows no memory.
        let status = fs::read_to_string(&status).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok());
        peak_kib = kib.unwrap_or(peak_kib);
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    ensure!(ended.success() && peak_kib > 0.0, "{ended}, {peak_kib} KiB");
    Ok(peak_kib * 1024.0 / 1e6)
}

/// Copies the files of a folder through a buffer, one after another, and shows each block of them.
fn copy_files(from: &Path, to: &Path, see: &mut dyn FnMut(&[u8])) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_files(&entry.path(), &target, see)?;
            continue;
        }
        let mut input = BufReader::with_capacity(BUFFER_BYTES, File::open(entry.path())?);
        let mut output = BufWriter::with_capacity(BUFFER_BYTES, File::create_new(target)?);
        // `io::copy` would leave it to the kernel, which moves no byte at all.
        loop {
            let block = input.fill_buf()?;
            if block.is_empty() {
                break;
            }
            see(block);
            output.write_all(block)?;
            let count = block.len();
            input.consume(count);
        }
        output.flush()?;
    }
    Ok(())
}

/// The same, with a SHA-256 and a CRC-32C of all.
fn copy_summed(from: &Path, to: &Path) -> anyhow::Result<()> {
    let (mut digest, mut crc) = (Sha256::new(), 0);
    copy_files(from, to, &mut |block| {
        digest.update(block);
        crc = crc32c::crc32c_append(crc, block);
    })?;
    black_box((digest.finalize(), crc));
    Ok(())
}

/// A table of visits: a few hosts that are come back to all the time, and many that are not.
fn write_visits(path: &Path) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "who,when,where")?;
    for index in 0..VISITS {
        let spread = index.wrapping_mul(2_654_435_761) % 4_093;
        let host = if index % 3 == 0 { spread } else { spread % 13 };
        let t_ms = 1_767_225_600_000 + index * 20_000;
        writeln!(file, "one,{t_ms},www.h{host}.example")?;
    }
    Ok(file.flush()?)
}
