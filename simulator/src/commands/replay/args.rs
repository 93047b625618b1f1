//! What `sim replay` may be told.

use std::path::PathBuf;

use engine::Seq;
use simulator::baselines::{self, Baseline};
use simulator::replay::{Definition, SCORES};

use crate::args::glossary::described;

/// Find out what a policy would have decided
///
/// Runs the trace through a policy, which enforces from the first line on. The recorded policy's
/// own decisions, discards and restores are taken out; what the user and the machine did is kept;
/// a tab that the policy discards comes back when the recording says that it was needed. Samples of
/// memory are shifted by what the policy's discards differ from the recorded ones. Several
/// traces are scored one by one, then pooled. Exits with 1 where a policy of ours discards a tab
/// that a hard guard protects.
///
/// A replay can be stopped at a line, saved, and gone on with: the same decisions follow, byte for
/// byte, as without the stop. It can also go on under another policy. That one takes over as if it
/// had been installed at this moment and the browser had told it of its tabs: what is open, and
/// when each tab was last in front. Tabs that are discarded by then stay so, and it sees of the
/// machine what comes after. One of our policies that follows another of ours takes the new
/// settings over as it does live, and its cooldown, its pressure and what it has under way go on.
#[derive(Debug, clap::Args)]
#[command(after_help = replay_examples(), after_long_help = replay_help())]
pub(crate) struct ReplayArgs {
    /// Traces to replay, one after another: folders or segments
    #[arg(value_name = "TRACE", required = true)]
    pub(crate) traces: Vec<PathBuf>,
    /// The policy: a preset (default, gentle, eager), a baseline, or a TOML or JSON file
    /// [default: default, or that of the saved state]
    #[arg(short, long, value_name = "FILE|NAME")]
    pub(crate) policy: Option<String>,
    /// What the policy «random» draws from [default: 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Write JSON Lines: an object for each decision, then one for the summary
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the summary alone
    #[arg(short, long, conflicts_with = "decisions")]
    pub(crate) summary: bool,
    /// Write the decisions alone
    #[arg(short, long)]
    pub(crate) decisions: bool,
    /// Leave samples of memory as recorded, whatever the policy frees
    #[arg(long)]
    pub(crate) open_loop: bool,
    /// Measure it against the clairvoyant frontier, which keeps what every tab could have saved
    #[arg(long, conflicts_with_all = ["save_state", "from_state"])]
    pub(crate) frontier: bool,
    /// Stop after this line of the trace, by its seq
    #[arg(long, value_name = "SEQ")]
    pub(crate) until: Option<Seq>,
    /// Save the state to go on from later, as it stands after the last line. Decisions on that line
    /// itself are left to whoever goes on: the recorded ones may follow it
    #[arg(long, value_name = "FILE")]
    pub(crate) save_state: Option<PathBuf>,
    /// Go on from a state that was saved at a line of this trace. Decisions before it are not
    /// written again; the summary is of the whole. The loop stays open or closed, as it was
    #[arg(long, value_name = "FILE", conflicts_with = "open_loop")]
    pub(crate) from_state: Option<PathBuf>,
}

/// The scores and the examples.
fn replay_help() -> String {
    let mut text = "Scores, as they are called in JSON:\n".to_owned();
    for Definition {
        name, unit, about, ..
    } in SCORES
    {
        text += &described(&format!("{name} ({unit})"), about);
    }
    text + "\n" + &replay_examples()
}

fn replay_examples() -> String {
    let mut text = "\
Examples:
  sim replay traces/recorded/observe
  sim replay traces/recorded/observe --policy gentle --summary
  sim replay traces/recorded/observe --policy ttl-15 --summary
  sim replay traces/recorded/observe --policy my-policy.toml --json > decisions.jsonl
  sim replay traces/recorded/observe --policy gentle --until 100 --save-state at-100.state
  sim replay traces/recorded/observe --from-state at-100.state --policy eager

Baselines, each what another system does as it is documented; N is a number from 1:"
        .to_owned();
    for Baseline { name, about, .. } in baselines::ALL {
        text += &format!("\n  {name:<32}  {about}");
    }
    text
}
