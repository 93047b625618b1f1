//! The pure policy core of the tab orchestrator.
//!
//! [`Engine::step`] takes one event of the log in and answers with decisions and changes of
//! pressure. It does no I/O, reads no clock, draws no random number and iterates no hash map: the
//! same events give the same outputs, byte for byte, on every machine. The live host and the
//! simulator run this one engine.
//!
//! ```
//! use engine::{Engine, Event, Input, Mode, Orchestrator, PolicyDocument, Seq, Snapshot};
//!
//! let policy = Orchestrator::new(PolicyDocument::default());
//! let mut engine = Engine::new(policy, Mode::Observe);
//! let mut outputs = Vec::new();
//! let input = Input::SessionStarted(Snapshot::default());
//! engine.step(&Event { seq: Seq(0), t_ms: 1_767_225_600_000, input }, &mut outputs);
//! assert!(outputs.is_empty());
//! ```

mod branch;
mod clock;
mod event;
mod explain;
mod facts;
mod focus;
mod guard;
mod hex;
mod hosts;
mod in_front;
mod orchestrator;
mod order;
mod policy;
mod policy_document;
mod preset;
mod pressure;
mod projection;
mod recency;
mod settings;
mod tab;
mod tab_map;
mod world;

pub use branch::Branch;
pub use clock::Moment;
pub use event::{
    Decision, DiscardedBy, Event, HostKnowledge, Input, Level, MemorySource, Metrics, Mode, Output,
    Page, PressureChange, Reason, Seq, Severity, Snapshot, TabChanges, TabFacts, TabId, UserState,
    WindowFacts, WindowId,
};
pub use explain::{Belongs, Explanation, Verdict};
pub use facts::{Change, Facts};
pub use guard::{Guard, NOT_OBSERVABLE};
pub use hex::hex;
pub use hosts::{FAMILIARITY_MAX, REMEMBERED_HOSTS};
pub use orchestrator::{DEFAULT_TAB_BYTES, GateState, Lapse, Orchestrator};
pub use policy::{Engine, Policy, SEMANTICS};
pub use policy_document::{PolicyDocument, PolicyError};
pub use preset::{PRESETS, Preset, PresetFocus};
pub use pressure::PressureState;
pub use projection::Projection;
pub use settings::{
    ActFrom, Focus, Gate, Pressure, Rank, SETTINGS, Setting, Settings, Takes, TtlClock,
};
pub use tab::Tab;
pub use tab_map::TabMap;
pub use world::World;
