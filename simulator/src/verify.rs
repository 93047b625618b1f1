//! Parity: are the recorded decisions the ones that the engine makes from the recorded inputs?
//!
//! A fresh engine takes the recorded inputs in, and each of its outputs is compared with the
//! recorded one, by type and by every field, and the state hash at each checkpoint. After a
//! difference the comparison goes on, so that its extent is known; the first one is named.

use engine::{Engine, Mode, Orchestrator, Output, PolicyDocument, SEMANTICS, Seq};
use recorder::{Body, Line, LogOpened, Origin};
use serde::Serialize;

/// A comparison under way.
#[derive(Clone, Debug)]
pub struct Verification {
    engine: Engine<Orchestrator>,
    /// What the engine answered to the last input.
    computed: Vec<Output>,
    /// How much of that the recording has had so far.
    compared: usize,
    parity: Parity,
}

/// The result of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Parity {
    /// Inputs that the engine took in.
    pub inputs: u64,
    /// The decisions.
    pub decisions: Count,
    /// The changes of pressure.
    pub pressure_changes: Count,
    /// The state hashes at checkpoints.
    pub checkpoints: Count,
    /// Outputs of the last input that the log does not have any more, because its writer was
    /// stopped before. They count nowhere else.
    pub not_written: u64,
    /// The first difference.
    pub first_difference: Option<Difference>,
    #[serde(skip)]
    last_input: Option<LastInput>,
}

/// How many of how many are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Those that are equal on both sides.
    pub equal: u64,
    /// Those that are on either side.
    pub of: u64,
}

/// A difference between what was recorded and what the engine says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The seq of the recorded line; where there is none, of the line before which it is missing.
    pub seq: Seq,
    /// What differs.
    pub what: &'static str,
    /// What the recording says; absent where it has nothing.
    pub recorded: Option<serde_json::Value>,
    /// What the engine says; absent where it says nothing.
    pub computed: Option<serde_json::Value>,
    /// The last input before it.
    pub last_input: Option<LastInput>,
}

/// The input that the engine took in last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastInput {
    /// Its place.
    pub seq: Seq,
    /// Its time.
    pub t_ms: i64,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// Why a trace cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Obstacle {
    /// Its decisions were not made live.
    #[error("not applicable: the trace is {}, and only what was recorded live has decisions to compare with", origin_name(*.origin))]
    NotRecorded {
        /// Where it comes from.
        origin: Origin,
    },
    /// Another version of the engine made its decisions.
    #[error(
        "not comparable: version {recorded} of the engine decided in the trace, and this is version {ours}"
    )]
    OtherEngine {
        /// The version in the trace.
        recorded: u32,
        /// The version here.
        ours: u32,
    },
    /// Nothing that the engine says stands in it.
    #[error("nothing to compare: no decision, no change of pressure and no state is recorded")]
    NothingRecorded,
}

impl Parity {
    /// How many outputs and states were compared.
    pub fn compared(&self) -> u64 {
        self.decisions.of + self.pressure_changes.of + self.checkpoints.of
    }

    /// Whether nothing differs.
    pub fn is_equal(&self) -> bool {
        self.first_difference.is_none()
    }
}

impl Count {
    fn add(&mut self, is_equal: bool) {
        self.of += 1;
        self.equal += u64::from(is_equal);
    }
}

impl Difference {
    /// The fields that differ, where both sides have the same type.
    pub fn fields(&self) -> Vec<&str> {
        let sides = (self.recorded.as_ref()).zip(self.computed.as_ref());
        let Some((recorded, computed)) = sides.and_then(|(a, b)| a.as_object().zip(b.as_object()))
        else {
            return Vec::new();
        };
        let differs = |name: &&String| recorded.get(*name) != computed.get(*name);
        let mut names: Vec<&str> = (recorded.keys().chain(computed.keys()))
            .filter(differs)
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

impl Default for Verification {
    fn default() -> Self {
        Self::new()
    }
}

impl Verification {
    /// Starts as a live host does: with the default policy, observing. The log tells the rest.
    pub fn new() -> Self {
        let policy = Orchestrator::new(PolicyDocument::default());
        Self {
            engine: Engine::new(policy, Mode::Observe),
            computed: Vec::new(),
            compared: 0,
            parity: Parity::default(),
        }
    }

    /// Says whether a trace can be compared, from its first line.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check(header: &LogOpened) -> Result<(), Obstacle> {
        if header.origin != Origin::Recorded {
            let origin = header.origin;
            return Err(Obstacle::NotRecorded { origin });
        }
        if header.engine != SEMANTICS {
            return Err(Obstacle::OtherEngine {
                recorded: header.engine,
                ours: SEMANTICS,
            });
        }
        Ok(())
    }

    /// Takes the next line of the trace in.
    pub fn take(&mut self, line: &Line) {
        match &line.body {
            Body::Decision(_) | Body::PressureChanged(_) => self.compare(line.seq, &line.body),
            Body::Checkpoint(checkpoint) => {
                self.expect_no_more(line.seq);
                if let Some(recorded) = &checkpoint.state {
                    self.compare_state(line.seq, recorded);
                }
            }
            _ => self.step(line),
        }
    }

    /// Ends the comparison. In a log that was not closed, outputs of the last input may be
    /// missing: its writer was stopped before it wrote them.
    pub fn finish(mut self, was_closed: bool) -> Parity {
        if was_closed {
            let seq = self
                .parity
                .last_input
                .as_ref()
                .map_or(Seq(0), |last| last.seq);
            self.expect_no_more(seq);
        }
        self.parity.not_written = (self.computed.len() - self.compared) as u64;
        self.parity
    }

    fn step(&mut self, line: &Line) {
        self.expect_no_more(line.seq);
        let type_name = line.body.type_name().to_owned();
        let Some(event) = line.event() else {
            return;
        };
        self.parity.inputs += 1;
        self.parity.last_input = Some(LastInput {
            seq: event.seq,
            t_ms: event.t_ms,
            type_name,
        });
        self.computed.clear();
        self.compared = 0;
        self.engine.step(&event, &mut self.computed);
    }

    fn compare(&mut self, seq: Seq, recorded: &Body) {
        let computed = self.computed.get(self.compared).cloned().map(Body::from);
        self.compared += usize::from(computed.is_some());
        let is_equal = computed.as_ref() == Some(recorded);
        self.count(recorded).add(is_equal);
        if !is_equal {
            self.note(
                seq,
                recorded_name(recorded),
                Some(recorded),
                computed.as_ref(),
            );
        }
    }

    /// Notes what the engine answered to the last input and the recording does not have.
    fn expect_no_more(&mut self, seq: Seq) {
        while let Some(output) = self.computed.get(self.compared).cloned() {
            self.compared += 1;
            let computed = Body::from(output);
            self.count(&computed).add(false);
            self.note(seq, recorded_name(&computed), None, Some(&computed));
        }
    }

    fn compare_state(&mut self, seq: Seq, recorded: &str) {
        let computed = self.engine.state_hash();
        let is_equal = computed == recorded;
        self.parity.checkpoints.add(is_equal);
        if !is_equal && self.parity.is_equal() {
            self.parity.first_difference = Some(Difference {
                seq,
                what: "checkpoint",
                recorded: Some(recorded.into()),
                computed: Some(computed.into()),
                last_input: self.parity.last_input.clone(),
            });
        }
    }

    fn count(&mut self, output: &Body) -> &mut Count {
        match output {
            Body::PressureChanged(_) => &mut self.parity.pressure_changes,
            _ => &mut self.parity.decisions,
        }
    }

    fn note(
        &mut self,
        seq: Seq,
        what: &'static str,
        recorded: Option<&Body>,
        computed: Option<&Body>,
    ) {
        if self.parity.is_equal() {
            self.parity.first_difference = Some(Difference {
                seq,
                what,
                recorded: recorded.map(to_json),
                computed: computed.map(to_json),
                last_input: self.parity.last_input.clone(),
            });
        }
    }
}

fn recorded_name(output: &Body) -> &'static str {
    match output {
        Body::PressureChanged(_) => "pressure_changed",
        _ => "decision",
    }
}

/// An output's fields, its type among them.
fn to_json(output: &Body) -> serde_json::Value {
    let fields = match output {
        Body::Decision(decision) => serde_json::to_value(decision),
        Body::PressureChanged(change) => serde_json::to_value(change),
        _ => Ok(serde_json::Value::Null),
    };
    let mut fields = fields.expect("the wire types have only string keys");
    if let Some(object) = fields.as_object_mut() {
        object.insert("type".to_owned(), output.type_name().into());
    }
    fields
}

fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Recorded => "recorded",
        Origin::Synthetic => "synthetic",
        Origin::Imported => "imported",
        Origin::Derived => "derived",
    }
}
