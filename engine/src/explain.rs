//! The one answer to «what happens to this tab, and why?».
//!
//! The popup, `sim explain` and the tests read it. It says what would be done at the next sample
//! if that were like the last one.

use std::fmt;

use serde::Serialize;

use crate::event::{Level, Mode, Reason, TabId};
use crate::guard::{Guard, NOT_OBSERVABLE};
use crate::orchestrator::{GateState, Orchestrator, Standing};
use crate::policy::Engine;
use crate::policy_document::PolicyDocument;
use crate::tab::Tab;
use crate::world::World;

/// Everything that bears on a tab at a moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The tab.
    pub tab: TabId,
    /// Its host; absent on an internal page.
    pub host: Option<String>,
    /// The moment that is spoken of (`t_ms`).
    pub t_ms: i64,
    /// What would be done at the next sample.
    pub verdict: Verdict,
    /// The hard guards that hold.
    pub guards: Vec<Guard>,
    /// The guards that no extension can see.
    pub not_observable: [&'static str; 4],
    /// How long ago it was opened or last in front, in milliseconds of the policy's clock.
    pub idle_ms: i64,
    /// How long it has to be, in milliseconds of the same clock.
    pub ttl_ms: i64,
    /// What the TTL is before familiarity, in minutes.
    pub ttl_minutes: f64,
    /// How familiar its host is: 1 to the policy's cap.
    pub familiarity: u8,
    /// Why it belongs to the working context; absent when it does not.
    pub in_focus: Option<Belongs>,
    /// The memory it is expected to give back, in bytes.
    pub expected_bytes: u64,
    /// Its place among the ripe tabs, from 0; absent when it is not ripe.
    pub rank: Option<usize>,
    /// How many tabs are ripe.
    pub ripe: usize,
    /// Whether tabs are being discarded, and why not.
    pub gate: GateState,
    /// The pressure score: 0 to 100.
    pub score: u8,
    /// The level of pressure.
    pub level: Level,
    /// Why memory is wanted.
    pub reasons: Vec<Reason>,
    /// Whether decisions are carried out.
    pub mode: Mode,
    /// What must change before it is discarded, in sentences. Empty when nothing must.
    pub needs: Vec<String>,
}

/// What would be done with a tab at the next sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It would be discarded.
    Discard,
    /// It is ripe, and not its turn, or nothing is discarded now.
    Wait,
    /// It was opened or in front too lately.
    Keep,
    /// A hard guard holds.
    Guarded,
    /// Observe mode has noted it already.
    Noted,
    /// It was decided on, and the outcome is not known yet.
    Decided,
    /// It was refused at the last moment, and is passed over for a while.
    Refused,
}

/// Why a tab belongs to the working context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Belongs {
    /// It is in front.
    InFront,
    /// It is in sight beside the tab in front.
    InSight,
    /// It is on the host in front.
    SameHost,
    /// It was opened or in front in the same window lately.
    SameWindow,
}

impl Engine<Orchestrator> {
    /// Explains what happens to a tab; `None` for one that is not known.
    pub fn explain(&self, tab: TabId) -> Option<Explanation> {
        self.policy().explain(&self.world(), tab)
    }
}

impl Orchestrator {
    /// Explains what happens to a tab of the world that it acts in; `None` for one that is not
    /// known.
    pub fn explain(&self, world: &World, tab: TabId) -> Option<Explanation> {
        let tab = world.tab(tab)?;
        Some(self.settled(world).explanation(world, tab))
    }

    /// Explains what would happen to a tab if another document came into force now.
    ///
    /// It is the same answer from the same rules, so whoever wants to know what a setting does
    /// asks here instead of working it out. Each question costs as much as a change of policy:
    /// every open tab is put in its place anew.
    pub fn explain_under(
        &self,
        world: &World,
        tab: TabId,
        document: PolicyDocument,
    ) -> Option<Explanation> {
        let mut policy = self.clone();
        policy.adopt(world, document);
        policy.explain(world, tab)
    }

    fn explanation(&self, world: &World, tab: &Tab) -> Explanation {
        let policy = self.document();
        let guards = self.guards(world, tab);
        let in_focus = self.belongs(world, tab);
        let familiarity = world.familiarity(tab).min(policy.familiarity_cap);
        let mut ripe = self.ripe(world, usize::MAX);
        self.sort(world, &mut ripe);
        let rank = ripe
            .iter()
            .position(|candidate| candidate.key.tab == tab.id);
        let pressure = self.pressure_at_next_sample(world);
        let gate = self.gate(world, pressure.level);
        let is_in_batch = || {
            gate == GateState::Open
                && self
                    .next_batch(world, pressure.level)
                    .iter()
                    .any(|candidate| candidate.key.tab == tab.id)
        };
        let verdict = match self.standing(world, tab.id) {
            _ if !guards.is_empty() => Verdict::Guarded,
            Some(Standing::Shadowed) => Verdict::Noted,
            Some(Standing::Awaiting { .. }) => Verdict::Decided,
            Some(Standing::Refused { .. }) => Verdict::Refused,
            None if rank.is_none() => Verdict::Keep,
            None if is_in_batch() => Verdict::Discard,
            None => Verdict::Wait,
        };
        let mut explanation = Explanation {
            tab: tab.id,
            host: world.host_of(tab).map(str::to_owned),
            t_ms: world.moment().now,
            verdict,
            guards,
            not_observable: NOT_OBSERVABLE,
            idle_ms: self.idle_ms(world, tab),
            ttl_ms: self.ttl_ms(in_focus.is_some(), familiarity),
            ttl_minutes: self.ttl_minutes(in_focus.is_some()),
            familiarity,
            in_focus,
            expected_bytes: self.expected_bytes(world, tab),
            rank,
            ripe: ripe.len(),
            gate,
            score: pressure.score,
            level: pressure.level,
            reasons: pressure.reasons,
            mode: world.mode(),
            needs: Vec::new(),
        };
        explanation.needs = self.needs(world, &explanation);
        explanation
    }

    fn belongs(&self, world: &World, tab: &Tab) -> Option<Belongs> {
        if !self.cluster(world).contains(&tab.id) {
            return None;
        }
        let front = world.tab_in_front()?;
        Some(if front.id == tab.id {
            Belongs::InFront
        } else if tab.is_in_sight && tab.win == front.win {
            Belongs::InSight
        } else if world
            .host_of(front)
            .is_some_and(|host| world.host_of(tab) == Some(host))
        {
            Belongs::SameHost
        } else {
            Belongs::SameWindow
        })
    }

    /// What must change before the tab is discarded, in sentences.
    fn needs(&self, world: &World, explanation: &Explanation) -> Vec<String> {
        let mut needs: Vec<String> = explanation
            .guards
            .iter()
            .map(|guard| format!("a hard guard to end: {guard}"))
            .collect();
        match explanation.verdict {
            Verdict::Noted => needs.push(
                "the mode to be «enforce»; observe mode has noted it and waits until it was used \
                 again"
                    .to_owned(),
            ),
            Verdict::Decided => needs.push("the outcome of the decision".to_owned()),
            Verdict::Refused => {
                if let Some(Standing::Refused { until_awake }) =
                    self.standing(world, explanation.tab)
                {
                    let left = span(until_awake - world.moment().awake);
                    needs.push(format!("{left} to pass, or a change of the tab"));
                }
            }
            _ => {}
        }
        if explanation.idle_ms < explanation.ttl_ms {
            let left = span(explanation.ttl_ms - explanation.idle_ms);
            needs.push(format!("{left} more out of the front"));
        }
        match explanation.gate {
            GateState::Open if explanation.verdict == Verdict::Wait => {
                needs.push(
                    "its turn: others were out of the front longer, or enough is free".to_owned(),
                );
            }
            GateState::Open => {}
            GateState::Paused { .. } => needs.push("the end of the pause".to_owned()),
            GateState::LevelTooLow => {
                let level = self.acts_from();
                let settings = &self.document().pressure;
                let starts_at = match level {
                    Level::High => settings.high_score,
                    Level::Medium | Level::Low => settings.medium_score,
                };
                needs.push(format!(
                    "pressure: the score is {}, and {level} starts at {starts_at}",
                    explanation.score
                ));
            }
            GateState::CoolingDown { left_ms } => {
                needs.push(format!("{} of cooldown to pass", span(left_ms)));
            }
        }
        needs
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or("no web page");
        writeln!(
            f,
            "tab {} ({}): {}",
            self.tab,
            host.escape_debug(),
            self.verdict
        )?;
        for guard in &self.guards {
            writeln!(f, "  guard      {guard}")?;
        }
        writeln!(
            f,
            "  idle       {} of {}",
            span(self.idle_ms),
            span(self.ttl_ms)
        )?;
        writeln!(
            f,
            "  TTL        {} min × familiarity {}",
            self.ttl_minutes, self.familiarity
        )?;
        let context = match self.in_focus {
            Some(Belongs::InFront) => "inside: it is in front",
            Some(Belongs::InSight) => "inside: it is in sight beside the tab in front",
            Some(Belongs::SameHost) => "inside: it is on the host in front",
            Some(Belongs::SameWindow) => {
                "inside: it was opened or in front in the same window lately"
            }
            None => "outside",
        };
        writeln!(f, "  context    {context}")?;
        match self.rank {
            Some(rank) => writeln!(f, "  rank       {} of {} ripe", rank + 1, self.ripe)?,
            None => writeln!(f, "  rank       not among {} ripe", self.ripe)?,
        }
        write!(f, "  pressure   {} (score {})", self.level, self.score)?;
        for reason in &self.reasons {
            write!(f, " {reason}")?;
        }
        writeln!(f)?;
        let gate = match self.gate {
            GateState::Open => "open".to_owned(),
            GateState::Paused { .. } => "paused".to_owned(),
            GateState::LevelTooLow => "shut: the level is too low".to_owned(),
            GateState::CoolingDown { left_ms } => format!("cooling down for {}", span(left_ms)),
        };
        writeln!(f, "  gate       {gate}")?;
        for need in &self.needs {
            writeln!(f, "  needs      {need}")?;
        }
        write!(f, "  not seen   {}", self.not_observable.join(", "))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Discard => "would be discarded at the next sample",
            Self::Wait => "ripe, but not yet",
            Self::Keep => "kept: it was opened or in front too lately",
            Self::Guarded => "kept: a hard guard holds",
            Self::Noted => "noted in observe mode",
            Self::Decided => "decided, the outcome is not known yet",
            Self::Refused => "refused at the last moment, passed over for a while",
        })
    }
}

/// A span of time for people, to the second.
fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds:02} s"),
        (hours, minutes, _) => format!("{hours} h {minutes:02} min"),
    }
}
