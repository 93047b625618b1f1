//! The browser's own memory: the sum over the processes below the one that started the host.
//!
//! The resident size of every process can be read by everybody. The proportional size, in which a
//! shared page counts once, is in `/proc/PID/smaps_rollup`, and the kernel shows that only for
//! processes that the reader could trace. Seen with Chromium 156 as an ordinary user: with the
//! sandbox of user namespaces, and with none, all of them; with the older setuid sandbox all
//! renderers are out of reach. A sum over some of the processes would fall and rise with whatever
//! happens to be readable, so there is a proportional size only when all can be read, and no
//! estimate in its place.
//!
//! One pass over `/proc/*/stat` finds the tree; the rest is read for its members only.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// A process id.
pub type Pid = u32;

/// How much of a tree's memory is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The resident size, which stands where the tree does.
    Resident,
    /// The proportional size, too.
    Proportional,
}

/// What a tree of processes holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeMemory {
    /// Resident memory in bytes; shared pages count in each process.
    pub rss_bytes: u64,
    /// Proportional memory in bytes; `None` unless it was asked for and is known of every process.
    pub pss_bytes: Option<u64>,
    /// How many processes there are.
    pub process_count: u32,
    /// Whether one ended meanwhile: then this is neither what they held before nor after.
    pub has_lost_one: bool,
}

/// Measures trees of processes.
#[derive(Debug)]
pub struct ProcessTree {
    proc: PathBuf,
    page_bytes: u64,
    text: Vec<u8>,
}

impl Default for ProcessTree {
    fn default() -> Self {
        let page_bytes = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
        Self::in_folder("/proc", page_bytes)
    }
}

impl ProcessTree {
    /// Reads from a folder that looks like `/proc`.
    pub fn in_folder(proc: impl Into<PathBuf>, page_bytes: u64) -> Self {
        Self {
            proc: proc.into(),
            page_bytes,
            text: Vec::new(),
        }
    }

    /// Measures a process and all below it, but for one of them and what is below that.
    ///
    /// `None` where there is no such process, or no `/proc` at all.
    pub fn measure(&mut self, root: Pid, but_for: Pid, extent: Extent) -> Option<TreeMemory> {
        let processes = self.list()?;
        let mut children: BTreeMap<Pid, Vec<Pid>> = BTreeMap::new();
        for (&pid, process) in &processes {
            children.entry(process.parent).or_default().push(pid);
        }
        if !processes.contains_key(&root) {
            return None;
        }
        let mut memory = TreeMemory {
            pss_bytes: Some(0),
            ..TreeMemory::default()
        };
        // Processes that end and begin during the pass could close a circle; each is taken once.
        let mut seen = BTreeSet::from([but_for]);
        let mut open = vec![root];
        while let Some(pid) = open.pop() {
            if !seen.insert(pid) {
                continue;
            }
            open.extend(children.get(&pid).into_iter().flatten());
            let stat = &processes[&pid];
            if stat.is_zombie {
                continue;
            }
            let rollup = match extent {
                Extent::Resident => Rollup::Hidden,
                Extent::Proportional => self.rollup(pid),
            };
            match rollup {
                Rollup::Known {
                    rss_bytes,
                    pss_bytes,
                } => {
                    memory.rss_bytes += rss_bytes;
                    memory.pss_bytes = memory.pss_bytes.map(|sum| sum + pss_bytes);
                }
                Rollup::Hidden => {
                    memory.rss_bytes += stat.rss_pages * self.page_bytes;
                    memory.pss_bytes = None;
                }
                Rollup::Gone => {
                    memory.has_lost_one = true;
                    continue;
                }
            }
            memory.process_count += 1;
        }
        Some(memory)
    }

    fn list(&mut self) -> Option<BTreeMap<Pid, Stat>> {
        let mut processes = BTreeMap::new();
        for entry in fs::read_dir(&self.proc).ok()?.flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            // One that ended since the folder was read is no longer there to be counted.
            if self.read(&entry.path().join("stat")).is_ok()
                && let Some(stat) = Stat::parse(&self.text)
            {
                processes.insert(pid, stat);
            }
        }
        Some(processes)
    }

    fn rollup(&mut self, pid: Pid) -> Rollup {
        let path = self.proc.join(pid.to_string()).join("smaps_rollup");
        match self.read(&path) {
            Ok(()) => parse_rollup(&self.text).unwrap_or(Rollup::Gone),
            // A process that is gone, or has given up its memory and waits for its parent.
            Err(error) if error.kind() == ErrorKind::NotFound => self.without_rollup(pid),
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
                Rollup::Gone
            }
            Err(_) => Rollup::Hidden,
        }
    }

    /// Tells a process that is gone from a kernel that has no `smaps_rollup`.
    fn without_rollup(&self, pid: Pid) -> Rollup {
        if self.proc.join(pid.to_string()).exists() {
            Rollup::Hidden
        } else {
            Rollup::Gone
        }
    }

    fn read(&mut self, path: &Path) -> io::Result<()> {
        self.text.clear();
        fs::File::open(path)?.read_to_end(&mut self.text)?;
        Ok(())
    }
}

/// What `/proc/PID/stat` says, as far as it matters here.
struct Stat {
    parent: Pid,
    is_zombie: bool,
    rss_pages: u64,
}

impl Stat {
    fn parse(text: &[u8]) -> Option<Self> {
        // The second field is the program's name in parentheses, and a name may hold anything.
        let after_name = text.iter().rposition(|&byte| byte == b')')? + 1;
        let rest = std::str::from_utf8(&text[after_name..]).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        // Field 24 of the line, counted from 1: three are gone, the parent was the fourth.
        let rss_pages = fields.nth(19)?.parse().ok()?;
        Some(Self {
            parent,
            is_zombie: matches!(state, "Z" | "X"),
            rss_pages,
        })
    }
}

/// What `/proc/PID/smaps_rollup` says.
enum Rollup {
    Known { rss_bytes: u64, pss_bytes: u64 },
    Hidden,
    Gone,
}

/// Returns `None` for a process without memory of its own: its file is empty.
fn parse_rollup(text: &[u8]) -> Option<Rollup> {
    let text = std::str::from_utf8(text).ok()?;
    let bytes = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim()
            .strip_suffix(" kB")?
            .parse::<u64>()
            .ok()?
            .checked_mul(1024)
    };
    Some(Rollup::Known {
        rss_bytes: bytes("Rss:")?,
        pss_bytes: bytes("Pss:")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct FakeProc(tempfile::TempDir);

    impl FakeProc {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn add(
            &self,
            pid: Pid,
            parent: Pid,
            state: &str,
            rss_pages: u64,
            rollup: Option<(u64, u64)>,
        ) {
            let folder = self.0.path().join(pid.to_string());
            fs::create_dir(&folder).unwrap();
            let middle = "0 ".repeat(19);
            let stat = format!("{pid} (a b) ) x) {state} {parent} {middle}{rss_pages} 0 0\n");
            fs::write(folder.join("stat"), stat).unwrap();
            if let Some((rss, pss)) = rollup {
                let text = format!(
                    "00-ff ---p 00:00 0 [rollup]\nRss: {rss} kB\nPss:   {pss} kB\nPss_Anon: 1 kB\n"
                );
                fs::write(folder.join("smaps_rollup"), text).unwrap();
            }
        }

        fn measure(&self, root: Pid, but_for: Pid) -> Option<TreeMemory> {
            let mut tree = ProcessTree::in_folder(self.0.path(), 4096);
            tree.measure(root, but_for, Extent::Proportional)
        }
    }

    #[test]
    fn all_below_the_root_counts_but_for_the_host() {
        let proc = FakeProc::new();
        proc.add(1, 0, "S", 9, Some((9, 9)));
        proc.add(10, 1, "S", 100, Some((400, 300)));
        proc.add(11, 10, "R", 50, Some((200, 100)));
        proc.add(12, 11, "S", 50, Some((200, 50)));
        proc.add(13, 10, "S", 7, Some((28, 28)));
        proc.add(14, 13, "S", 7, Some((28, 28)));
        proc.add(15, 10, "Z", 0, None);
        fs::write(proc.0.path().join("uptime"), "1").unwrap();
        let expect = TreeMemory {
            rss_bytes: 800 << 10,
            pss_bytes: Some(450 << 10),
            process_count: 3,
            has_lost_one: false,
        };
        assert_eq!(proc.measure(10, 13), Some(expect));
        assert_eq!(proc.measure(99, 13), None);
    }

    #[test]
    fn one_hidden_process_hides_the_proportional_size_and_no_other() {
        let proc = FakeProc::new();
        proc.add(10, 1, "S", 100, Some((400, 300)));
        proc.add(11, 10, "S", 50, None);
        let expect = TreeMemory {
            rss_bytes: 600 << 10,
            pss_bytes: None,
            process_count: 2,
            has_lost_one: false,
        };
        assert_eq!(proc.measure(10, 0), Some(expect));
    }

    #[test]
    fn a_process_that_ends_meanwhile_is_told_of() {
        let proc = FakeProc::new();
        proc.add(10, 1, "S", 100, Some((400, 300)));
        proc.add(11, 10, "S", 50, None);
        // So it is once a process has given its memory back.
        fs::write(proc.0.path().join("11/smaps_rollup"), "").unwrap();
        let expect = TreeMemory {
            rss_bytes: 400 << 10,
            pss_bytes: Some(300 << 10),
            process_count: 1,
            has_lost_one: true,
        };
        assert_eq!(proc.measure(10, 0), Some(expect));
    }

    #[test]
    fn a_process_that_is_its_own_ancestor_counts_once() {
        let proc = FakeProc::new();
        proc.add(10, 11, "S", 1, Some((4, 4)));
        proc.add(11, 10, "S", 1, Some((4, 4)));
        assert_eq!(proc.measure(10, 0).unwrap().process_count, 2);
    }

    #[test]
    fn this_very_process_can_be_measured() {
        let own = std::process::id();
        let memory = ProcessTree::default()
            .measure(own, 0, Extent::Proportional)
            .unwrap();
        assert!(memory.process_count >= 1);
        assert!(memory.rss_bytes > 100 << 10, "{memory:?}");
        let pss_bytes = memory.pss_bytes.unwrap();
        assert!(pss_bytes > 0 && pss_bytes <= memory.rss_bytes, "{memory:?}");
        let without = ProcessTree::default()
            .measure(own, own, Extent::Resident)
            .unwrap();
        assert_eq!(without.process_count, 0);
    }
}
