//! What outlives a browser session besides what people choose: what was learnt of the hosts.

use std::io;
use std::path::Path;

use engine::HostKnowledge;
use recorder::{Naming, Privacy};
use serde::{Deserialize, Serialize};

use crate::paths::{read_file, write_private_file};

const MAX_FILE_BYTES: usize = 4 << 20;

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

/// Keeps what was learnt of the hosts.
///
/// # Errors
/// What the system says.
pub fn write_knowledge(path: &Path, knowledge: &KeptKnowledge) -> io::Result<()> {
    let mut text = serde_json::to_vec(knowledge)?;
    text.push(b'\n');
    write_private_file(path, &text)
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
        write_knowledge(&path, &known).unwrap();
        assert_eq!(read_knowledge(&path), Some(known));
        // As it was written before there was a choice.
        std::fs::write(&path, r#"{"hosts":[]}"#).unwrap();
        assert_eq!(read_knowledge(&path).unwrap().privacy, Privacy::Hostname);
        std::fs::write(&path, "{").unwrap();
        assert_eq!(read_knowledge(&path), None);
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
