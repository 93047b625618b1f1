//! The real hostnames of open tabs, where the log has others.
//!
//! In memory only: a host that was restarted has them again from the extension's next
//! `session_started`. An order names the real host, so that the extension can tell whether the tab
//! is still there.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::TabId;
use recorder::{Body, Tab};

/// The real hostnames of open tabs.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<TabId, Arc<str>>);

impl Names {
    /// The hostname of a tab's page, as the extension told it.
    pub fn of(&self, tab: TabId) -> Option<&str> {
        self.0.get(&tab).map(|host| &**host)
    }

    /// Takes in what the extension told, in its own words.
    pub fn note(&mut self, body: &Body) {
        match body {
            Body::SessionStarted(it) => {
                // What it does not say of a tab is as it was.
                let mut before = std::mem::take(&mut self.0);
                for tab in &it.tabs {
                    if let Some(host) = before.remove(&tab.tab) {
                        self.0.insert(tab.tab, host);
                    }
                    self.note_tab(tab);
                }
            }
            Body::TabOpened(it) => self.note_tab(it),
            Body::TabNavigated(it) => {
                self.0.remove(&it.tab);
                if let Some(host) = &it.host {
                    self.0.insert(it.tab, host.clone());
                }
            }
            Body::TabReplaced(it) => {
                if let Some(host) = self.0.remove(&it.old) {
                    self.0.insert(it.tab, host);
                }
            }
            Body::TabClosed(it) => {
                self.0.remove(&it.tab);
            }
            _ => {}
        }
    }

    fn note_tab(&mut self, tab: &Tab) {
        if let Some(host) = &tab.host {
            self.0.insert(tab.tab, host.clone());
        } else if tab.scheme.is_some() {
            self.0.remove(&tab.tab);
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::WindowId;
    use recorder::{SessionStarted, TabClosed, TabNavigated, TabReplaced};

    use super::*;

    fn tab(id: i64, host: Option<&str>, scheme: Option<&str>) -> Tab {
        Tab {
            host: host.map(Into::into),
            scheme: scheme.map(str::to_owned),
            ..Tab::new(TabId(id), WindowId(1))
        }
    }

    fn started(tabs: Vec<Tab>) -> Body {
        Body::SessionStarted(SessionStarted {
            browser: None,
            browser_version: None,
            extension_version: None,
            idle: None,
            windows: Vec::new(),
            tabs,
        })
    }

    fn navigated(id: i64, host: Option<&str>) -> Body {
        Body::TabNavigated(TabNavigated {
            tab: TabId(id),
            host: host.map(Into::into),
            scheme: Some("https".to_owned()),
            protected: None,
        })
    }

    #[test]
    fn a_tab_has_the_host_that_was_told_last() {
        let mut names = Names::default();
        names.note(&started(vec![
            tab(1, Some("a.example"), None),
            tab(2, None, None),
        ]));
        names.note(&Body::TabOpened(tab(3, Some("c.example"), None)));
        names.note(&navigated(2, Some("b.example")));
        names.note(&Body::TabReplaced(TabReplaced {
            tab: TabId(9),
            old: TabId(1),
        }));
        let hosts = |names: &Names| [1, 2, 3, 9].map(|id| names.of(TabId(id)).map(str::to_owned));
        let some = |host: &str| Some(host.to_owned());
        let expect = [
            None,
            some("b.example"),
            some("c.example"),
            some("a.example"),
        ];
        assert_eq!(hosts(&names), expect);

        // A snapshot: 2 is not told of anew, 3 shows a page of the browser, 9 is gone.
        names.note(&started(vec![
            tab(2, None, None),
            tab(3, None, Some("chrome")),
        ]));
        assert_eq!(hosts(&names), [None, some("b.example"), None, None]);
        names.note(&navigated(2, None));
        assert_eq!(hosts(&names), [None, None, None, None]);
        names.note(&Body::TabOpened(tab(3, Some("c.example"), None)));
        names.note(&Body::TabClosed(TabClosed { tab: TabId(3) }));
        assert_eq!(hosts(&names), [None, None, None, None]);
    }
}
