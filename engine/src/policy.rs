//! What a policy is, and the engine that runs one over a log.

use crate::event::{Event, HostKnowledge, Mode, Output};
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
}

/// The world and a policy, stepped together.
#[derive(Clone, Debug)]
pub struct Engine<P> {
    world: World,
    policy: P,
}

impl<P: Policy> Engine<P> {
    /// Starts with an empty world. `mode` holds until the log says otherwise.
    pub fn new(policy: P, mode: Mode) -> Self {
        Self {
            world: World::new(mode),
            policy,
        }
    }

    /// Takes an event in and adds what follows from it to `outputs`.
    pub fn step(&mut self, event: &Event, outputs: &mut Vec<Output>) {
        self.world.apply(event);
        self.policy.step(&self.world, event, outputs);
    }

    /// What the log says so far.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The policy.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// What a later session should know of the hosts, by name.
    pub fn knowledge(&self) -> Vec<HostKnowledge> {
        self.world.knowledge()
    }

    /// A fingerprint of the state, 32 hex digits: equal for two engines that took in the same
    /// log. See [`Projection`] for what it covers.
    pub fn state_hash(&self) -> String {
        let mut projection = Projection::default();
        self.world.project(&mut projection);
        self.policy.project(&mut projection);
        projection.hash()
    }
}
