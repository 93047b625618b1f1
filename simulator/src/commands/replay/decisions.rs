//! The decisions of a replay as they are written: as JSON, and for people.

use engine::Reason;
use serde::Serialize;
use simulator::replay::Replayed;

use crate::console::{Console, cut, date, span};

const HEADER: &str = "  time (UTC)                  tab  host                                 \
                      idle           TTL  fam  level   reasons";

/// Where decisions go.
pub(super) struct Decisions {
    /// The session of the trace.
    pub(super) session: String,
    /// Whether they are written at all.
    pub(super) are_shown: bool,
    pub(super) json: bool,
}

/// A decision as JSON.
#[derive(Serialize)]
struct DecisionLine<'a> {
    #[serde(rename = "type")]
    type_name: &'static str,
    trace: &'a str,
    #[serde(flatten)]
    decision: &'a Replayed,
}

impl Decisions {
    /// Writes what stands above them.
    pub(super) fn begin(&self, console: &mut Console) -> anyhow::Result<()> {
        if self.are_shown && !self.json {
            console.line(HEADER)?;
        }
        Ok(())
    }

    /// Writes some, and leaves none.
    pub(super) fn write(
        &self,
        decided: &mut Vec<Replayed>,
        console: &mut Console,
    ) -> anyhow::Result<()> {
        for decision in decided.drain(..).filter(|_| self.are_shown) {
            if self.json {
                console.json(&DecisionLine {
                    type_name: "decision",
                    trace: &self.session,
                    decision: &decision,
                })?;
            } else {
                console.line(for_people(&decision))?;
            }
        }
        Ok(())
    }
}

/// The first column says whether the recording has it, too.
fn for_people(replayed: &Replayed) -> String {
    let Replayed { decision, .. } = replayed;
    let reasons: Vec<String> = decision.reasons.iter().map(Reason::to_string).collect();
    format!(
        "{} {}  {:>10}  {:<28}  {:>12}  {:>12}  {:>3}  {:<6}  {}",
        if replayed.as_recorded { '=' } else { '+' },
        date(replayed.t_ms),
        decision.tab,
        cut(replayed.host.as_deref().unwrap_or("-"), 28),
        span(decision.idle_ms),
        span(decision.ttl_ms),
        decision.familiarity,
        decision.level,
        reasons.join(" "),
    )
}
