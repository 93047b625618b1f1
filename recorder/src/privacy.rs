//! What a trace tells of a hostname: itself, the site it belongs to, or a name under a key.
//!
//! Names are changed before anything is written, and the engine is told what was written, so that
//! a replay steps on the same names. It reads no file and draws no random number: the key comes in
//! as an argument, and never goes out.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;

use engine::{HostKnowledge, PolicyDocument, Settings, hex};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::wire::{Body, Privacy, Tab};

/// What a hashed name ends in. No host can be in this top-level domain (RFC 6761, 6.4), so that no
/// hashed name is taken for a real one, nor a real one for a hashed one.
const NO_DOMAIN: &str = ".invalid";

/// How much of a hash is a name: 16 bytes, which no two of the sites in the world will share.
const NAME_BYTES: usize = 16;

/// The longest list of domains that is written one by one. A hashed name can be longer than what
/// it stands for, and a policy has to fit on a line.
const LISTED_DOMAINS_MAX: usize = 4_096;

/// The longest word that a reason is, in bytes.
const REASON_BYTES_MAX: usize = 32;

/// The site that a host belongs to: the registrable domain by the list of public suffixes, private
/// ones such as `github.io` among them; the host itself where it has none, as an address, a single
/// label or a public suffix. The root's dot is no part of it.
pub fn site_of(host: &str) -> &str {
    let host = host.trim_end_matches('.');
    registrable_domain(host).unwrap_or(host)
}

fn registrable_domain(host: &str) -> Option<&str> {
    // The list takes the end of an address for a domain.
    let is_address = host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok();
    if is_address {
        None
    } else {
        psl::domain_str(host)
    }
}

/// What hosts are hashed under. Whoever has it can find out by trial which site a name stands for.
#[derive(Clone, PartialEq, Eq)]
pub struct HostKey([u8; 32]);

impl HostKey {
    /// Takes 32 bytes of the system's randomness as a key.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Names a text. No two uses of the key meet.
    fn name(&self, what: &str, text: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(what.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        let hash = mac.finalize().into_bytes();
        format!("{}{NO_DOMAIN}", hex(&hash[..NAME_BYTES]))
    }
}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostKey(..)")
    }
}

/// The names that hosts have in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Their own.
    Hostname,
    /// Their site's. The key is for listed domains that are no site.
    Site(HostKey),
    /// A keyed hash of their site.
    KeyedHash(HostKey),
}

impl Naming {
    /// What the trace's header says of it.
    pub fn privacy(&self) -> Privacy {
        match self {
            Self::Hostname => Privacy::Hostname,
            Self::Site(_) => Privacy::Site,
            Self::KeyedHash(_) => Privacy::KeyedHash,
        }
    }

    /// The name that a host has in the trace.
    pub fn name_of(&self, host: &str) -> String {
        match self {
            Self::Hostname => host.trim_end_matches('.').to_owned(),
            Self::Site(_) => site_of(host).to_owned(),
            Self::KeyedHash(key) => key.name("site", site_of(host)),
        }
    }

    /// Renames what an event of the extension tells. Unless hosts keep their names, it marks each
    /// that `policy` protects, since the name in the trace does not tell that any more; and what is
    /// said in words becomes "error", unless it is a guard's name: a browser may name a page in it.
    pub fn rename(&self, body: &mut Body, policy: &PolicyDocument) {
        match body {
            Body::SessionStarted(it) => {
                for tab in &mut it.tabs {
                    self.rename_tab(tab, policy);
                }
            }
            Body::TabOpened(it) => self.rename_tab(it, policy),
            Body::TabNavigated(it) => self.rename_page(&mut it.host, &mut it.protected, policy),
            Body::DiscardOutcome(it) => {
                let is_hidden = *self != Self::Hostname;
                if is_hidden && it.why.as_ref().is_some_and(|why| !is_reason(why)) {
                    it.why = Some("error".to_owned());
                }
            }
            Body::LogOpened(_)
            | Body::LogResumed(_)
            | Body::Checkpoint(_)
            | Body::LogClosed(_)
            | Body::Dropped(_)
            | Body::OrderDropped(_)
            | Body::ClockStepped(_)
            | Body::Suspended(_)
            | Body::TabActivated(_)
            | Body::TabLoaded(_)
            | Body::TabChanged(_)
            | Body::TabMoved(_)
            | Body::TabReplaced(_)
            | Body::TabDiscarded(_)
            | Body::TabRestored(_)
            | Body::TabClosed(_)
            | Body::WindowOpened(_)
            | Body::WindowClosed(_)
            | Body::WindowFocused(_)
            | Body::UserIdle(_)
            | Body::PruneRequested(_)
            | Body::PolicyChanged(_)
            | Body::ModeChanged(_)
            | Body::Paused(_)
            | Body::KnowledgeCarried(_)
            | Body::Metrics(_)
            | Body::PressureSignal(_)
            | Body::TabMemory(_)
            | Body::Decision(_)
            | Body::PressureChanged(_)
            | Body::Unknown { .. } => {}
        }
    }

    fn rename_tab(&self, tab: &mut Tab, policy: &PolicyDocument) {
        self.rename_page(&mut tab.host, &mut tab.protected, policy);
    }

    fn rename_page(
        &self,
        host: &mut Option<Arc<str>>,
        protected: &mut Option<bool>,
        policy: &PolicyDocument,
    ) {
        if let Some(host) = host {
            if *self != Self::Hostname {
                *protected = Some(policy.protects(host.trim_end_matches('.')));
            }
            *host = self.name_of(host).into();
        }
    }

    /// The policy as the trace tells it. A listed domain has the name of its hosts where it covers
    /// whole sites and that can be told; else one that no host has. The marks hold for both.
    pub fn policy(&self, policy: &PolicyDocument) -> PolicyDocument {
        if *self == Self::Hostname {
            return policy.clone();
        }
        let mut settings = Settings::from(policy.clone());
        settings.protected_domains = self.domains(&settings.protected_domains);
        PolicyDocument::new(settings)
            .expect("a part of a domain is a domain, and so is a hashed name")
    }

    fn domains(&self, domains: &[String]) -> Vec<String> {
        let (Self::Site(key) | Self::KeyedHash(key)) = self else {
            return domains.to_vec();
        };
        if domains.len() > LISTED_DOMAINS_MAX {
            return vec![key.name("domains", &domains.join(" "))];
        }
        let named = |domain: &String| match coverage(domain) {
            Coverage::Part => key.name("domain", domain),
            Coverage::Site => match domain.strip_prefix('.') {
                Some(site) => format!(".{}", self.name_of(site)),
                None => self.name_of(domain),
            },
            Coverage::Sites => match self {
                Self::Site(_) => domain.clone(),
                _ => key.name("domain", domain),
            },
        };
        domains.iter().map(named).collect()
    }

    /// What was learnt of hosts under their own names, or their sites', under those of this trace.
    /// Of the hosts of a site the most familiar counts, and the one that was in front last.
    pub fn knowledge(&self, hosts: Vec<HostKnowledge>) -> Vec<HostKnowledge> {
        let mut sites: BTreeMap<String, HostKnowledge> = BTreeMap::new();
        for known in hosts {
            let host = self.name_of(&known.host);
            let site = sites.entry(host.clone()).or_insert(HostKnowledge {
                host,
                familiarity: known.familiarity,
                last_in_front_ms: None,
                bytes: None,
            });
            if known.familiarity > site.familiarity {
                site.familiarity = known.familiarity;
                site.bytes = known.bytes.or(site.bytes);
            } else {
                site.bytes = site.bytes.or(known.bytes);
            }
            site.last_in_front_ms = site.last_in_front_ms.max(known.last_in_front_ms);
        }
        sites.into_values().collect()
    }
}

/// How a listed domain lies to the sites.
enum Coverage {
    /// It is some hosts of a site and not all: `docs.google.com`, `example.org` without those
    /// below.
    Part,
    /// It is all hosts of one site: `.example.org`, `localhost`.
    Site,
    /// It is all hosts of many: `.co.uk`.
    Sites,
}

fn coverage(domain: &str) -> Coverage {
    let below = domain.strip_prefix('.');
    let name = below.unwrap_or(domain);
    match registrable_domain(name) {
        // A site of this very name has no host but itself.
        None if below.is_none() => Coverage::Site,
        None => Coverage::Sites,
        Some(site) if below.is_some() && site == name => Coverage::Site,
        Some(_) => Coverage::Part,
    }
}

fn is_reason(text: &str) -> bool {
    text.len() <= REASON_BYTES_MAX
        && text
            .bytes()
            .all(|byte| byte == b'_' || byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn namings() -> [Naming; 3] {
        let key = || HostKey::new(KEY);
        [
            Naming::Hostname,
            Naming::Site(key()),
            Naming::KeyedHash(key()),
        ]
    }

    fn protecting(domains: &[&str]) -> PolicyDocument {
        let domains = domains.iter().map(|&domain| domain.to_owned()).collect();
        PolicyDocument::new(Settings {
            protected_domains: domains,
            ..Settings::default()
        })
        .unwrap()
    }

    #[test]
    fn a_site_is_what_somebody_registered() {
        #[track_caller]
        fn check(host: &str, site: &str) {
            assert_eq!(site_of(host), site);
            assert_eq!(site_of(site), site, "a site is its own");
        }
        check("example.org", "example.org");
        check("a.b.example.org", "example.org");
        check("mail.example.co.uk", "example.co.uk");
        check("co.uk", "co.uk");
        check("www.someone.github.io", "someone.github.io");
        check("github.io", "github.io");
        // A wildcard of the list, and an exception to it.
        check("a.b.c.ck", "b.c.ck");
        check("a.www.ck", "www.ck");
        check("a.b.unknown-top-level", "b.unknown-top-level");
        check("localhost", "localhost");
        check("app.localhost", "app.localhost");
        check("nas", "nas");
        check("127.0.0.1", "127.0.0.1");
        check("[2001:db8::1]", "[2001:db8::1]");
        check("[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]");
        check("www.xn--bcher-kva.example", "xn--bcher-kva.example");
        check("shop.xn--85x722f.com.cn", "xn--85x722f.com.cn");
        check("www.example.org.", "example.org");
        check("localhost.", "localhost");
        check("_dmarc.example.org", "example.org");
    }

    #[test]
    fn a_hashed_name_is_a_hostname_that_no_host_has() {
        let [_, _, hashed] = namings();
        let name = hashed.name_of("www.example.org");
        // HMAC-SHA256 by another hand: `python3 -c "import hmac; print(hmac.new(bytes([7] * 32),
        // b'site\\0example.org', 'sha256').hexdigest()[:32])"`.
        assert_eq!(name, "974e8811289f8f56b2526c3aec1892b5.invalid");
        assert_eq!(name, hashed.name_of("example.org."));
        assert!(crate::is_hostname(&name));
        let other = Naming::KeyedHash(HostKey::new([8; 32]));
        assert_ne!(name, other.name_of("example.org"));
        assert!(!format!("{hashed:?}").contains('7'), "{hashed:?}");
    }

    #[test]
    fn a_listed_domain_has_the_name_of_its_hosts_where_it_covers_them() {
        #[track_caller]
        fn check(domain: &str, in_site: Option<&str>, host: Option<&str>) {
            let [_, site, hashed] = namings();
            let written = |naming: &Naming| {
                let policy = naming.policy(&protecting(&[domain]));
                policy.protected_domains[0].clone()
            };
            match in_site {
                Some(expect) => assert_eq!(written(&site), expect),
                None => assert!(written(&site).ends_with(NO_DOMAIN)),
            }
            let expect = host.map(|host| hashed.name_of(host));
            let found = written(&hashed);
            assert!(found.ends_with(NO_DOMAIN));
            match expect {
                Some(expect) => assert_eq!(found.trim_start_matches('.'), expect),
                None => assert_ne!(found, hashed.name_of(domain)),
            }
        }
        check(
            ".example.org",
            Some(".example.org"),
            Some("www.example.org"),
        );
        check("localhost", Some("localhost"), Some("localhost"));
        check("127.0.0.1", Some("127.0.0.1"), Some("127.0.0.1"));
        check(".co.uk", Some(".co.uk"), None);
        check("example.org", None, None);
        check("docs.example.org", None, None);
        check(".docs.example.org", None, None);
    }

    #[test]
    fn a_long_list_becomes_one_name() {
        let domains: Vec<String> = (0..=LISTED_DOMAINS_MAX)
            .map(|it| format!(".a{it}.b"))
            .collect();
        let domains: Vec<&str> = domains.iter().map(String::as_str).collect();
        for naming in &namings()[1..] {
            assert_eq!(
                naming.policy(&protecting(&domains)).protected_domains.len(),
                1
            );
        }
    }

    #[test]
    fn the_hosts_of_a_site_are_known_together() {
        let known = |host: &str, familiarity, last_in_front_ms, bytes| HostKnowledge {
            host: host.to_owned(),
            familiarity,
            last_in_front_ms,
            bytes,
        };
        let hosts = vec![
            known("a.example.org", 2, Some(90), Some(10)),
            known("b.example.org", 5, Some(40), None),
            known("example.net", 1, None, None),
        ];
        let [hostname, site, hashed] = namings();
        assert_eq!(hostname.knowledge(hosts.clone()), hosts);
        let expect = [
            known("example.net", 1, None, None),
            known("example.org", 5, Some(90), Some(10)),
        ];
        assert_eq!(site.knowledge(hosts.clone()), expect);
        assert_eq!(
            hashed.knowledge(site.knowledge(hosts.clone())),
            hashed.knowledge(hosts),
            "the way over the sites leads to the same"
        );
    }

    fn host() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => "([ab]\\.){0,2}[cd]\\.(org|co\\.uk|github\\.io|ck|test)",
            1 => "org|co\\.uk|github\\.io|nas",
            1 => "(1\\.){3}[12]",
        ]
    }

    #[test]
    fn the_roots_dot_makes_no_other_host() {
        let policy = protecting(&["docs.example.org"]);
        for naming in &namings() {
            let [plain, dotted] = ["docs.example.org", "docs.example.org."].map(|host| {
                let mut body = Body::TabOpened(Tab {
                    host: Some(host.into()),
                    ..Tab::new(engine::TabId(1), engine::WindowId(1))
                });
                naming.rename(&mut body, &policy);
                body
            });
            assert_eq!(plain, dotted);
        }
    }

    proptest! {
        /// What a guard by domain protects, the mark protects under every name; and the list in
        /// the trace protects no host that the list of the policy does not.
        #[test]
        fn guards_by_domain_hold_under_every_name(
            host in host(),
            domains in prop::collection::vec(("\\.?", host()), 0..4),
        ) {
            let domains: Vec<String> = domains.iter().map(|(dot, name)| format!("{dot}{name}")).collect();
            let domains: Vec<&str> = domains.iter().map(String::as_str).collect();
            let policy = protecting(&domains);
            for naming in &namings()[1..] {
                let mut body = Body::TabOpened(Tab {
                    host: Some(host.as_str().into()),
                    ..Tab::new(engine::TabId(1), engine::WindowId(1))
                });
                naming.rename(&mut body, &policy);
                let Body::TabOpened(tab) = body else { unreachable!() };
                prop_assert_eq!(tab.protected, Some(policy.protects(&host)));
                let written = naming.policy(&policy);
                if written.protects(tab.host.as_deref().unwrap()) {
                    prop_assert!(policy.protects(&host));
                }
            }
        }
    }
}
