//! What a policy would have done: a recorded trace, run through it in closed loop.
//!
//! A discard changes what follows, so the recording is not simply fed to the policy. What the user
//! and the machine did is kept. What the recorded policy did is taken out: its decisions, its
//! discards, their outcomes and their restores. The replayed policy enforces, its own discards are
//! carried out, and a tab that it discarded comes back when the recording says that it was needed.
//!
//! Readings of memory follow what the policy discards, unless the loop is open: what the machine
//! would have shown is what it showed, plus or minus what the policy's discards differ from the
//! recorded ones.
//!
//! The recording is followed once. A policy's world branches off it ([`engine::Branch`]): all that is
//! kept of that are the tabs which only one of the two has discarded, or whose pages do something
//! else since. Ids are the same in both, since every `tab_replaced` is kept: it is a rename and nothing
//! else. Nothing here reads a clock or a file, and what is kept grows with the open tabs, not with
//! the trace.

mod abreast;
mod books;
mod clairvoyance;
mod discards;
mod frontier;
mod hold;
mod lockstep;
mod recording;
mod rewrite;
mod run;
mod savings;
mod scale;
mod score;
mod step;
mod tally;
mod watch;
mod weights;

use engine::{Input, Policy, PolicyDocument, PressureState, TabId, World};
use recorder::Line;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use recording::Recording;
use run::Run;

pub use abreast::Abreast;
pub use clairvoyance::{Clairvoyance, Foresight};
pub use frontier::{Frontier, Point};
pub use hold::{Decided, Hold, HoldEnd};
pub use lockstep::{AnyReplay, Lockstep, Side, View};
pub use scale::Source;
pub use score::{
    Definition, Departure, EARLY_RETURN_MS, Feedback, Machine, SCORES, Score, Span, THRASH_MS,
    scores_table,
};
pub use step::{RecordedDecision, Step};
pub use tally::{Rates, Sums, Tally};
pub use weights::WITHHELD_BEYOND_PERCENT;

/// How often a policy that acts at every sample looks where there is none: once a minute.
pub const TICK_MS: i64 = 60_000;

/// A decision that the replay came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replayed {
    /// When it was made, by the log's time.
    pub t_ms: i64,
    /// The decision, as a log would have it. Its cause is a seq of the recording.
    #[serde(flatten)]
    pub decision: recorder::Decision,
    /// The host of the tab.
    pub host: Option<String>,
    /// The memory that its discard is expected to give back, in bytes.
    pub expected_bytes: u64,
    /// Whether the recorded policy decided the same. Then the recorded outcome is taken, at its
    /// own time; any other decision succeeds at once.
    pub as_recorded: bool,
}

/// A replay under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Replay<P> {
    recording: Recording,
    run: Run<P>,
}

impl<P: Serialize> Serialize for Replay<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de, P: Deserialize<'de>> Deserialize<'de> for Replay<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut replay = Self::deserialize(deserializer)?;
        let facts = replay.recording.facts();
        (replay.run.branch.rejoin(facts)).map_err(de::Error::custom)?;
        Ok(replay)
    }
}

impl<P: Policy> Replay<P> {
    /// Starts with an empty world. The policy enforces from the first line on.
    pub fn new(policy: P) -> Self {
        Self {
            recording: Recording::new(),
            run: Run::new(policy),
        }
    }

    /// Leaves every sample as it was recorded, whatever the policy frees.
    #[must_use]
    pub fn open_loop(mut self) -> Self {
        self.run.open_loop();
        self
    }

    /// Takes discards of tabs on these domains for violations, instead of the default ones.
    #[must_use]
    pub fn protecting(mut self, domains: &[String]) -> Self {
        self.protect(domains);
        self
    }

    /// Keeps every hold, to be measured against a [`Frontier`] or told apart from another
    /// policy's. They grow with the discards.
    #[must_use]
    pub fn keeping_holds(mut self) -> Self {
        self.run.keep_holds();
        self
    }

    /// Lets every decision succeed at once, also one that the recording has.
    #[must_use]
    pub fn carrying_out_all(mut self) -> Self {
        self.run.carry_out_all();
        self
    }

    /// Shows the policy an empty sample every [`TICK_MS`] while the recording has none: for policies
    /// that act at every sample, on traces without any.
    #[must_use]
    pub fn ticking(mut self) -> Self {
        self.tick_from_here(true);
        self
    }

    /// The same as [`Replay::protecting`] from here on, in the middle of a trace.
    pub fn protect(&mut self, domains: &[String]) {
        self.run.protect(domains);
    }

    /// Starts or stops [ticking](Self::ticking).
    pub fn tick_from_here(&mut self, is_ticking: bool) {
        self.run.tick_from_here(is_ticking);
    }

    /// Goes on under another policy from here on. It takes over as if it had been installed at this
    /// moment and the browser had told it of its tabs. What the policy before it decided on the last
    /// input is still carried out.
    pub fn hand_over(&mut self, policy: P) {
        self.run.hand_over(&self.recording, policy);
    }

    /// Goes on under another document of our own policy, which takes it in as it does live: its
    /// cooldown, its pressure and what it has under way stay. There must have been an event, whose
    /// time this is; see [`Replay::has_begun`].
    pub fn change_document(&mut self, document: PolicyDocument) {
        let input = Input::PolicyChanged(Box::new(document));
        self.run.feed(&self.recording, input);
    }

    /// What a tab weighs by what the recording has told so far, in bytes. It is the same for every
    /// policy.
    pub fn bytes(&self, tab: TabId) -> Option<u64> {
        let weights = self.recording.weights();
        Some(weights.scale().bytes(weights.account(tab)?.weight()))
    }

    /// The policy.
    pub fn policy(&self) -> &P {
        &self.run.policy
    }

    /// The world as it would have been.
    pub fn world(&self) -> World<'_> {
        self.run.world(&self.recording)
    }

    /// A fingerprint of both, as [`engine::Engine::state_hash`] takes it.
    pub fn state_hash(&self) -> String {
        self.world().state_hash(self.policy())
    }

    /// How many discards so far went against a hard guard, and how many more would that are decided
    /// and not carried out yet.
    pub fn violations(&self) -> u64 {
        self.run.violations()
    }

    /// The sums so far, up to the last line.
    pub fn tally(&self) -> Tally {
        self.run.tally(&self.recording)
    }

    /// The pressure as it would have been after the last line, by the default policy's measure
    /// whatever policy is replayed. `None` until a sample has told of memory.
    pub fn pressure(&self) -> Option<&PressureState> {
        self.run.gauge().pressure()
    }

    /// How many decisions wait for the next line, since the recorded ones on the same input, which
    /// they are held against, may be still to come.
    pub fn open_decisions(&self) -> usize {
        self.run.fresh.len()
    }

    /// Whether there was an event yet.
    pub fn has_begun(&self) -> bool {
        self.run.has_begun()
    }

    /// Whether the policy holds a tab discarded.
    pub fn holds(&self, tab: TabId) -> bool {
        self.run.holds(tab)
    }

    /// Since which decision the policy holds a tab discarded.
    pub fn held_since(&self, tab: TabId) -> Option<Decided> {
        self.run.held_since(tab)
    }

    /// The hard guards that a discard of a tab would go against now, as the checker sees them.
    pub fn objections(&self, tab: TabId) -> Vec<&'static str> {
        self.run.objections(&self.recording, tab)
    }

    /// Whether it has just decided to discard a tab, on the last line.
    pub fn decides_on(&self, tab: TabId) -> bool {
        self.run.decides_on(tab)
    }

    /// Takes the next line of the recording in, and adds what the policy decided to `decided`. A
    /// decision comes with the first line after its cause and the recorded outputs on that.
    pub fn take(&mut self, line: &Line, decided: &mut Vec<Replayed>) {
        if let Some(step) = Step::of(line) {
            self.take_step(&step, decided);
        }
    }

    /// The same for what matters of a line.
    pub fn take_step(&mut self, step: &Step, decided: &mut Vec<Replayed>) {
        let Self { recording, run } = self;
        match step {
            Step::Event(event) => {
                run.pass_time(recording, event, decided);
                recording.step(event);
                run.follow(recording, event);
            }
            Step::Decided(recorded) => run.note_recorded(recording, *recorded),
            Step::Dropped { decision } => run.note_dropped(recording, *decision, decided),
            Step::Unknown => run.note_unknown(),
        }
    }

    /// Ends the replay: adds what was decided last to `decided` and returns the score.
    pub fn finish(self, decided: &mut Vec<Replayed>) -> Score {
        self.finish_with_holds(decided).0
    }

    /// Ends the replay, and returns the score and every hold, in the order in which they ended.
    /// There are none unless they were [kept](Self::keeping_holds).
    pub fn finish_with_holds(self, decided: &mut Vec<Replayed>) -> (Score, Vec<Hold>) {
        self.run.finish(&self.recording, decided)
    }
}
