//! Many policies over one recording, which is followed once for all of them.
//!
//! None learns of another: each comes to the decisions and the score of a replay of its own.

use engine::Policy;

use super::Replay;
use super::hold::Hold;
use super::recording::Recording;
use super::run::Run;
use super::score::Score;
use super::step::Step;
use super::tally::Tally;

/// Replays under way, side by side.
#[derive(Clone, Debug)]
pub struct Abreast<P> {
    recording: Recording,
    runs: Vec<Run<P>>,
}

impl<P: Policy> Abreast<P> {
    /// Starts with replays that have taken nothing in.
    pub fn new(replays: impl IntoIterator<Item = Replay<P>>) -> Self {
        Self {
            recording: Recording::new(),
            runs: replays.into_iter().map(|replay| replay.run).collect(),
        }
    }

    /// Takes in what matters of the next line.
    pub fn take_step(&mut self, step: &Step) {
        let Self { recording, runs } = self;
        match step {
            Step::Event(event) => {
                for run in &mut *runs {
                    run.pass_time(recording, event, &mut Vec::new());
                }
                recording.step(event);
                for run in runs {
                    run.follow(recording, event);
                }
            }
            Step::Decided(recorded) => {
                for run in runs {
                    run.note_recorded(recording, *recorded);
                }
            }
            Step::Dropped { decision } => {
                for run in runs {
                    run.note_dropped(recording, *decision, &mut Vec::new());
                }
            }
            Step::Unknown => runs.iter_mut().for_each(Run::note_unknown),
        }
    }

    /// The sums of each so far, up to the last line.
    pub fn tallies(&self) -> impl Iterator<Item = Tally> {
        (self.runs.iter()).map(|run| run.tally(&self.recording))
    }

    /// Ends them: the score of each and its holds, in the order in which they ended, where they
    /// were [kept](Replay::keeping_holds).
    pub fn finish(self) -> impl Iterator<Item = (Score, Vec<Hold>)> {
        let Self { recording, runs } = self;
        (runs.into_iter()).map(move |run| run.finish(&recording, &mut Vec::new()))
    }
}
