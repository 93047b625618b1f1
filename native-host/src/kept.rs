//! What outlives a browser session besides what people choose: what was learnt of the hosts.
//!
//! One file holds it for all browsers of a user. Each of their hosts adds to it now and then, and
//! at its end.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use engine::{HostKnowledge, REMEMBERED_HOSTS};
use recorder::{HostKey, Naming, Privacy};
use serde::{Deserialize, Serialize};

use crate::host_key::{self, Found};
use crate::paths::{Paths, create_private_folder, read_file, write_private_file};

const MAX_FILE_BYTES: usize = 4 << 20;

/// How long another host's turn is waited for. A browser gives its hosts two seconds to end.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// How often it is looked whether that turn is over.
const LOCK_RETRY: Duration = Duration::from_millis(5);

/// What was learnt of the hosts, under the names that they had in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptKnowledge {
    /// How the names were written.
    #[serde(default = "by_hostname")]
    pub privacy: Privacy,
    /// What was learnt.
    pub hosts: Vec<HostKnowledge>,
}

/// How names were written before there was a choice.
fn by_hostname() -> Privacy {
    Privacy::Hostname
}

impl KeptKnowledge {
    /// What of it a log with these names can take over, and why the rest is dropped, where any
    /// is. From hosts to sites to hashes there is a way, and none back.
    pub fn carried_to(
        self,
        naming: &Naming,
        is_key_new: bool,
    ) -> (Vec<HostKnowledge>, Option<&'static str>) {
        match (self.privacy, naming.privacy()) {
            (Privacy::KeyedHash, Privacy::KeyedHash) if is_key_new => {
                (Vec::new(), Some("the key that its names are under is gone"))
            }
            (from, to) if from == to => (self.hosts, None),
            (Privacy::Hostname, _) | (Privacy::Site, Privacy::KeyedHash) => {
                (naming.knowledge(self.hosts), None)
            }
            (Privacy::Site, _) => {
                let why = "it is known of sites, and not of which of their hosts";
                (Vec::new(), Some(why))
            }
            (Privacy::KeyedHash, _) => (Vec::new(), Some("a hashed name cannot be turned back")),
        }
    }

    /// Adds what a session learnt to what is kept. Where the names are not alike, those that tell
    /// more are turned into the others, under this key; without it they are dropped.
    ///
    /// Of a host that both know, who had it in front last knows better; what is kept from later
    /// than now is from a clock that was wrong. Those stay that were in front last, as many as an
    /// engine remembers.
    #[must_use]
    pub fn with_session(self, session: Self, key: Option<HostKey>, now_ms: i64) -> Self {
        let tells_more_than = |one: &Self, other: &Self| {
            matches!(
                (one.privacy, other.privacy),
                (Privacy::Hostname, Privacy::Site | Privacy::KeyedHash)
                    | (Privacy::Site, Privacy::KeyedHash)
            )
        };
        let (mut kept, mut session) = (self, session);
        if tells_more_than(&kept, &session) {
            kept = kept.renamed(session.privacy, key);
        } else if tells_more_than(&session, &kept) {
            session = session.renamed(kept.privacy, key);
        }
        let by_name = |known: HostKnowledge| (known.host.clone(), known);
        let mut hosts: BTreeMap<_, _> = kept.hosts.into_iter().map(by_name).collect();
        for mut known in session.hosts {
            match hosts.entry(known.host.clone()) {
                Entry::Vacant(place) => {
                    place.insert(known);
                }
                Entry::Occupied(mut place) => {
                    let kept = place.get_mut();
                    let kept_ms = kept.last_in_front_ms.filter(|&at_ms| at_ms <= now_ms);
                    if known.last_in_front_ms >= kept_ms {
                        std::mem::swap(kept, &mut known);
                    }
                    kept.bytes = kept.bytes.or(known.bytes);
                }
            }
        }
        let mut hosts: Vec<_> = hosts.into_values().collect();
        hosts.sort_by_key(|known| Reverse(known.last_in_front_ms));
        hosts.truncate(REMEMBERED_HOSTS);
        hosts.sort_by(|one, other| one.host.cmp(&other.host));
        Self {
            privacy: session.privacy,
            hosts,
        }
    }

    fn renamed(self, privacy: Privacy, key: Option<HostKey>) -> Self {
        let naming = match privacy {
            Privacy::Hostname => Some(Naming::Hostname),
            Privacy::Site => key.map(Naming::Site),
            Privacy::KeyedHash => key.map(Naming::KeyedHash),
        };
        let hosts = naming.map_or(Vec::new(), |naming| self.carried_to(&naming, false).0);
        Self { privacy, hosts }
    }
}

/// The file of what was learnt, while no other host changes it.
#[derive(Debug)]
pub struct KnowledgeFile {
    path: PathBuf,
    /// The folder, which holds the lock as long as it is open: the file itself is another one after
    /// each change.
    _folder: File,
}

impl KnowledgeFile {
    /// Waits until no other host changes the file.
    ///
    /// # Errors
    /// What the system says; another host that takes longer than a second.
    pub fn lock(path: PathBuf) -> io::Result<Self> {
        let folder = path.parent().ok_or(io::ErrorKind::InvalidFilename)?;
        create_private_folder(folder)?;
        let folder = File::open(folder)?;
        let until = Instant::now() + LOCK_WAIT;
        loop {
            match folder.try_lock() {
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    thread::sleep(LOCK_RETRY);
                }
                Err(error @ TryLockError::WouldBlock) => return Err(error.into()),
                // Some file systems lock no folders. There, of two hosts that end at the same
                // moment, one may not be heard.
                Ok(()) | Err(TryLockError::Error(_)) => break,
            }
        }
        Ok(Self {
            path,
            _folder: folder,
        })
    }

    /// Reads what is kept; `None` where there is nothing that can be read.
    pub fn read(&self) -> Option<KeptKnowledge> {
        read_knowledge(&self.path)
    }

    /// Keeps it.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, knowledge: &KeptKnowledge) -> io::Result<()> {
        let mut text = serde_json::to_vec(knowledge)?;
        text.push(b'\n');
        write_private_file(&self.path, &text)
    }
}

/// Reads what was learnt of the hosts; `None` where there is nothing that can be read.
pub fn read_knowledge(path: &Path) -> Option<KeptKnowledge> {
    let read = || -> io::Result<_> {
        let text = read_file(path, MAX_FILE_BYTES)?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    };
    read().unwrap_or_else(|error| {
        crate::report(format_args!("{} is passed over: {error}", path.display()));
        None
    })
}

/// What the sessions before had learnt, under the names of a log. What is kept beside the logs
/// tells no more than they do: it is written anew where its names are others.
pub fn take_up(naming: &Naming, is_key_new: bool, paths: &Paths) -> Vec<HostKnowledge> {
    let file = match KnowledgeFile::lock(paths.knowledge()) {
        Ok(file) => file,
        Err(error) => {
            crate::report(format_args!("what was learnt before is not known: {error}"));
            return Vec::new();
        }
    };
    let Some(kept) = file.read() else {
        return Vec::new();
    };
    let (before, count) = (kept.privacy, kept.hosts.len());
    let (hosts, why_dropped) = kept.carried_to(naming, is_key_new);
    if let Some(why) = why_dropped.filter(|_| count > 0) {
        crate::report(format_args!(
            "what was learnt of {count} hosts is dropped: {why}"
        ));
    }
    let knowledge = KeptKnowledge {
        privacy: naming.privacy(),
        hosts,
    };
    if before != knowledge.privacy || why_dropped.is_some() {
        // A full disk takes no new file and lets an old one go.
        if let Err(error) = file.write(&knowledge) {
            crate::report(format_args!("what was learnt is not kept: {error}"));
            if let Err(error) = std::fs::remove_file(paths.knowledge()) {
                crate::report(format_args!("what was learnt before stays: {error}"));
            }
        }
    }
    knowledge.hosts
}

/// Keeps what a session learnt, beside what those of other browsers did.
pub fn keep(paths: &Paths, learnt: KeptKnowledge, now_ms: i64) {
    let keep = || -> io::Result<()> {
        let file = KnowledgeFile::lock(paths.knowledge())?;
        let all = match file.read() {
            None => learnt,
            Some(kept) => {
                let key = match host_key::find(&paths.host_key()) {
                    Ok(Found::Key(key)) => Some(key),
                    Ok(Found::Nothing | Found::Damaged) | Err(_) => None,
                };
                kept.with_session(learnt, key, now_ms)
            }
        };
        file.write(&all)
    };
    if let Err(error) = keep() {
        crate::report(format_args!("what was learnt is not kept: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use recorder::HostKey;

    use super::*;

    fn known(host: &str) -> HostKnowledge {
        HostKnowledge {
            host: host.to_owned(),
            familiarity: 3,
            last_in_front_ms: Some(1),
            bytes: None,
        }
    }

    #[test]
    fn what_was_kept_is_read_and_what_is_damaged_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept.json");
        let known = KeptKnowledge {
            privacy: Privacy::Site,
            hosts: vec![known("a.example")],
        };
        let file = KnowledgeFile::lock(path.clone()).unwrap();
        file.write(&known).unwrap();
        assert_eq!(read_knowledge(&path), Some(known));
        // As it was written before there was a choice.
        std::fs::write(&path, r#"{"hosts":[]}"#).unwrap();
        assert_eq!(read_knowledge(&path).unwrap().privacy, Privacy::Hostname);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(read_knowledge(&path), None);
    }

    #[test]
    fn one_host_at_a_time_changes_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("knowledge.json");
        let held = KnowledgeFile::lock(path.clone()).unwrap();
        let error = KnowledgeFile::lock(path.clone()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(held);
        KnowledgeFile::lock(path).unwrap();
    }

    #[test]
    fn of_two_who_know_a_host_the_one_counts_who_had_it_in_front_last() {
        const NOW_MS: i64 = 100;
        /// Familiarity, last in front, bytes.
        type Known = (u8, Option<i64>, Option<u64>);
        #[track_caller]
        fn check(kept: Option<Known>, session: Option<Known>, expect: Known) {
            let all = |known: Option<Known>| KeptKnowledge {
                privacy: Privacy::Hostname,
                hosts: Vec::from_iter(known.map(|(familiarity, last_in_front_ms, bytes)| {
                    HostKnowledge {
                        host: "a.example".to_owned(),
                        familiarity,
                        last_in_front_ms,
                        bytes,
                    }
                })),
            };
            let joined = all(kept).with_session(all(session), None, NOW_MS);
            assert_eq!(joined, all(Some(expect)));
        }
        let (seldom, often) = ((1, Some(50), Some(7)), (8, Some(40), Some(9)));
        check(Some(seldom), None, seldom);
        check(None, Some(seldom), seldom);
        check(Some(seldom), Some(often), seldom);
        check(Some(often), Some(seldom), seldom);
        check(
            Some(often),
            Some((1, Some(40), None)),
            (1, Some(40), Some(9)),
        );
        check(Some(often), Some((1, None, Some(7))), often);
        check(Some((8, Some(101), None)), Some(seldom), seldom);
    }

    #[test]
    fn names_that_tell_more_are_turned_into_those_that_tell_less() {
        let key = || HostKey::new([1; 32]);
        let namings = [
            Naming::Hostname,
            Naming::Site(key()),
            Naming::KeyedHash(key()),
        ];
        let under = |naming: &Naming, host: &str| KeptKnowledge {
            privacy: naming.privacy(),
            hosts: naming.knowledge(vec![known(host)]),
        };
        for (index, plainer) in namings.iter().enumerate() {
            for hidden in &namings[index + 1..] {
                for (kept, session) in [(plainer, hidden), (hidden, plainer)] {
                    let join = |key| {
                        let session = under(session, "www.session.example");
                        under(kept, "www.kept.example").with_session(session, key, 1)
                    };
                    let both = join(Some(key()));
                    let mut names =
                        ["kept.example", "session.example"].map(|it| hidden.name_of(it));
                    names.sort();
                    assert_eq!(both.privacy, hidden.privacy());
                    assert!(both.hosts.iter().map(|it| &it.host).eq(&names), "{both:?}");
                    // Without the key those that tell less stay alone.
                    let alone = join(None);
                    assert_eq!((alone.privacy, alone.hosts.len()), (both.privacy, 1));
                }
            }
        }
    }

    #[test]
    fn no_more_hosts_are_kept_than_an_engine_remembers() {
        let hosts = |from: i64| KeptKnowledge {
            privacy: Privacy::Hostname,
            hosts: (from..from + 4_096)
                .map(|at_ms| HostKnowledge {
                    last_in_front_ms: Some(at_ms),
                    ..known(&format!("{at_ms}.example"))
                })
                .collect(),
        };
        let joined = hosts(10_000).with_session(hosts(12_000), None, 20_000);
        assert_eq!(joined.hosts.len(), REMEMBERED_HOSTS);
        let first = joined.hosts.iter().map(|it| it.last_in_front_ms).min();
        assert_eq!(first, Some(Some(12_000)));
    }

    #[test]
    fn knowledge_goes_from_hosts_to_sites_to_hashes_and_no_way_back() {
        let key = || HostKey::new([1; 32]);
        let (hostname, site, hashed) = (
            Naming::Hostname,
            Naming::Site(key()),
            Naming::KeyedHash(key()),
        );
        let hash = hashed.name_of("a.example");
        let check = |from: &Naming, to: &Naming, is_key_new, expect: Option<&str>| {
            let kept = KeptKnowledge {
                privacy: from.privacy(),
                hosts: from.knowledge(vec![known("www.a.example")]),
            };
            let (hosts, why) = kept.carried_to(to, is_key_new);
            assert_eq!(why.is_some(), expect.is_none(), "{why:?}");
            let names: Vec<&str> = hosts.iter().map(|known| &*known.host).collect();
            assert_eq!(names, Vec::from_iter(expect), "{from:?} {to:?}");
        };
        check(&hostname, &hostname, false, Some("www.a.example"));
        check(&hostname, &site, true, Some("a.example"));
        check(&hostname, &hashed, true, Some(&hash));
        check(&site, &hashed, true, Some(&hash));
        check(&site, &site, true, Some("a.example"));
        check(&hashed, &hashed, false, Some(&hash));
        check(&hashed, &hashed, true, None);
        check(&site, &hostname, false, None);
        check(&hashed, &site, false, None);
        check(&hashed, &hostname, false, None);
    }
}
