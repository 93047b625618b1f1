//! What a policy is, and the engine that runs one over a log.

use serde::{Deserialize, Serialize};

use crate::event::{Event, HostKnowledge, Mode, Output, Seq};
use crate::facts::Facts;
use crate::projection::Projection;
use crate::world::World;

/// The version of the semantics of world and policy. It is raised whenever the same log could
/// give another decision.
pub const SEMANTICS: u32 = 1;

/// Decides what to discard.
///
/// A policy sees the world after each event and answers with outputs. Like the world it does no
/// I/O, reads no clock and draws no random number; whatever it keeps follows from the events.
pub trait Policy {
    /// Its name, for reports.
    fn name(&self) -> &str;

    /// Takes in what an event did to the world, and adds what it decides to `outputs`.
    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>);

    /// Adds its own state to the state hash.
    fn project(&self, projection: &mut Projection);

    /// When it next has something to do that no event brings about (`t_ms`), going by the world
    /// as it stands. A moment that does not lie after the last event's counts as none.
    ///
    /// Only replays ask: the live host wakes no policy, so ours needs none.
    fn next_due(&self, _world: &World) -> Option<i64> {
        None
    }

    /// Time goes on from the world's moment up to `until_ms`, not included, in which it had nothing
    /// to do. Whoever wakes it says so before each time it does, and before each event.
    fn pass(&mut self, _world: &World, _until_ms: i64) {}

    /// Time has passed since the last event, which had this seq, and nothing else has happened.
    fn wake(&mut self, _world: &World, _seq: Seq, _outputs: &mut Vec<Output>) {}

    /// What it would have to see and no trace can tell it, for reports.
    fn not_observable(&self) -> &[&str] {
        &[]
    }
}

impl<P: Policy + ?Sized> Policy for Box<P> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn step(&mut self, world: &World, event: &Event, outputs: &mut Vec<Output>) {
        (**self).step(world, event, outputs);
    }

    fn project(&self, projection: &mut Projection) {
        (**self).project(projection);
    }

    fn next_due(&self, world: &World) -> Option<i64> {
        (**self).next_due(world)
    }

    fn pass(&mut self, world: &World, until_ms: i64) {
        (**self).pass(world, until_ms);
    }

    fn wake(&mut self, world: &World, seq: Seq, outputs: &mut Vec<Output>) {
        (**self).wake(world, seq, outputs);
    }

    fn not_observable(&self) -> &[&str] {
        (**self).not_observable()
    }
}

/// The facts of a log and a policy, stepped together.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Engine<P> {
    facts: Facts,
    policy: P,
}

impl<P: Policy> Engine<P> {
    /// Starts before the first event. `mode` holds until the log says otherwise.
    pub fn new(policy: P, mode: Mode) -> Self {
        Self {
            facts: Facts::new(mode),
            policy,
        }
    }

    /// Takes an event in and adds what follows from it to `outputs`.
    pub fn step(&mut self, event: &Event, outputs: &mut Vec<Output>) {
        self.facts.apply(event);
        self.policy.step(&self.facts.world(), event, outputs);
    }

    /// What the log says so far.
    pub fn world(&self) -> World<'_> {
        self.facts.world()
    }

    /// The policy.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// What a later session should know of the hosts, by name.
    pub fn knowledge(&self) -> Vec<HostKnowledge> {
        self.world().knowledge()
    }

    /// A fingerprint of the state: see [`World::state_hash`].
    pub fn state_hash(&self) -> String {
        self.world().state_hash(&self.policy)
    }
}
