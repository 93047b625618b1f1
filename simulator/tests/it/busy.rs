//! A trace of any length in which something happens all the time, for what has to be measured. It
//! draws nothing, so it is always the same.

use std::path::Path;

use engine::{MemorySource, SEMANTICS, TabId, WindowId};
use recorder::{
    Body, Compression, Metrics, Opening, Origin, Privacy, Source, Tab, TabActivated, TabLoaded,
    TabMemory, TabNavigated, TraceComposer,
};

use crate::recording::session_of;

/// The first of January 2026, in UTC.
const BEGIN_MS: i64 = 1_767_225_600_000;

/// Somebody with 40 tabs who goes from one to the next, opens pages there, and now and then runs
/// out of memory: every policy has something to do all the time.
pub(crate) fn compose(folder: &Path, line_count: u64) {
    let opening = Opening {
        session: "019b7700-0000-7000-8000-000000000002".parse().unwrap(),
        extension_session: None,
        engine: SEMANTICS,
        host_version: "0.1.0".to_owned(),
        platform: "linux-x86_64".to_owned(),
        privacy: Privacy::Hostname,
        origin: Origin::Synthetic,
        generator: Some("test".to_owned()),
        seed: Some(0),
        importer: None,
        derived_from: None,
    };
    let mut composer =
        TraceComposer::create(folder, &opening, BEGIN_MS, Compression::Plain).unwrap();
    let win = WindowId(1);
    let facts = |id: i64| Tab {
        active: Some(id == 0),
        host: Some(format!("host-{id}.example.org").into()),
        ..Tab::new(TabId(id), win)
    };
    let first = session_of((0..40).map(facts));
    let mut t_ms = BEGIN_MS;
    composer.append(t_ms, Some(t_ms), first).unwrap();
    for step in 0..line_count.cast_signed() {
        let tab = TabId(step / 5 % 40);
        // Each step has other hosts, so that what is known of hosts would grow without a limit.
        let host = Some(format!("host-{}.example.org", step / 5).into());
        let body = match step % 5 {
            0 => Body::TabActivated(TabActivated { tab, win }),
            1 => Body::TabNavigated(TabNavigated {
                tab,
                host,
                scheme: None,
                protected: None,
            }),
            2 => Body::TabLoaded(TabLoaded { tab, ms: Some(400) }),
            3 => Body::TabMemory(TabMemory {
                tab,
                bytes: 90 << 20,
                how: MemorySource::Measured,
            }),
            _ => Body::Metrics(Metrics {
                ram_total: Some(16 << 30),
                ram_used: Some(if step % 500 < 250 { 15 << 30 } else { 8 << 30 }),
                ram_available: Some(if step % 500 < 250 { 1 << 30 } else { 8 << 30 }),
                browser_pss: Some(6 << 30),
                ..Metrics::default()
            }),
        };
        t_ms += 5_000;
        let at_ms = (body.source() == Some(Source::Ext)).then_some(t_ms);
        composer.append(t_ms, at_ms, body).unwrap();
    }
    composer.finish(t_ms).unwrap();
}
