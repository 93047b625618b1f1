//! A machine under an imported trace, so that there is pressure where the source tells of none.
//!
//! The rule `seeded-machine`: samples of a machine that never was (`synth::machine`) stand between
//! the events. Each open tab holds what the engine expects of one that it knows nothing of, each
//! has a process, and somebody uses the browser until 30 minutes after the last event, as the
//! engine's own gap rule has it; then the machine rests, and after a while sleeps.

use std::collections::BTreeSet;

use engine::{DEFAULT_TAB_BYTES, TabId};
use recorder::Body;

use super::error::ImportError;
use crate::synth::draw::Draw;
use crate::synth::machine::{BrowserLoad, Machine, MachineProfile};

/// The engine's gap rule: so long after the last event somebody is still taken to be there.
const GAP_MS: i64 = 30 * 60_000;

/// Takes the events of an imported trace in, and gives them with a machine's samples between.
pub struct PoweredTrace {
    machine: Machine,
    open: BTreeSet<TabId>,
    last_ms: i64,
    /// How many lines the machine has given.
    pub samples: u64,
}

impl PoweredTrace {
    /// Draws the machine of a person, by their number, which has been up for a while at `t_ms`.
    pub fn new(profile: &MachineProfile, seed: u64, person: i64, t_ms: i64) -> Self {
        let stream = u64::try_from(person).unwrap_or(0);
        Self {
            machine: Machine::new(profile, Draw::new(seed, stream), t_ms),
            open: BTreeSet::new(),
            last_ms: t_ms,
            samples: 0,
        }
    }

    /// Tells what the machine did until an event, then the event.
    ///
    /// # Errors
    /// What the receiver of the lines says.
    pub fn take(
        &mut self,
        t_ms: i64,
        body: Body,
        tell: &mut dyn FnMut(i64, Body) -> Result<(), ImportError>,
    ) -> Result<(), ImportError> {
        let tabs = self.open.len();
        let load = BrowserLoad {
            tabs_bytes: DEFAULT_TAB_BYTES.saturating_mul(tabs as u64),
            renderers: u32::try_from(tabs).unwrap_or(u32::MAX),
            is_used: true,
        };
        let mut result = Ok(());
        let mut samples = 0;
        let mut give = |t_ms: i64, line: Body| {
            if result.is_ok() {
                samples += 1;
                result = tell(t_ms, line);
            }
        };
        let there_until_ms = self.last_ms.saturating_add(GAP_MS);
        self.machine.pass(t_ms.min(there_until_ms), load, &mut give);
        if t_ms > there_until_ms {
            self.machine.rest(t_ms, load, &mut give);
        }
        self.samples += samples;
        result?;
        self.last_ms = t_ms;
        match &body {
            Body::TabOpened(tab) => {
                self.open.insert(tab.tab);
            }
            Body::TabClosed(it) => {
                self.open.remove(&it.tab);
            }
            _ => {}
        }
        tell(t_ms, body)
    }
}
