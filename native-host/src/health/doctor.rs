//! `doctor`: every check of the installation, as a table for people or as JSON, and the repair of
//! what is safe to repair.
//!
//! A repair writes a manifest or closes a folder of ours to others. Nothing that was recorded is
//! ever touched, no program is started, nothing is asked over a network.

use std::sync::Arc;

use comfy_table::{Table, presets};
use serde::Serialize;

use super::registry::{Face, Registry, Report, State};
use super::subject::Subject;

/// What `doctor` found, and did.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// What it found, after the repairs.
    #[serde(flatten)]
    pub report: Report,
    /// What it set right.
    pub fixed: Vec<String>,
    /// What it could not set right, and why.
    pub not_fixed: Vec<String>,
}

/// Looks at everything; with `fix` sets right what is safe to set right first.
pub fn examine(registry: &Registry<Subject>, subject: &Arc<Subject>, fix: bool) -> Diagnosis {
    let mut report = registry.run(Face::Doctor, subject);
    let (mut fixed, mut not_fixed) = (Vec::new(), Vec::new());
    if fix {
        let is_bad = |id| {
            let result = report.checks.iter().find(|result| result.id == id);
            result.is_some_and(|it| matches!(it.state, State::Degraded | State::Unhealthy))
        };
        for check in registry
            .checks(Face::Doctor)
            .filter(|check| is_bad(check.id))
        {
            match check.repair.map(|repair| repair(subject)) {
                None => {}
                Some(Ok(deeds)) => fixed.extend(deeds),
                Some(Err(error)) => not_fixed.push(format!("{}: {error:#}", check.id)),
            }
        }
        report = registry.run(Face::Doctor, subject);
    }
    Diagnosis {
        report,
        fixed,
        not_fixed,
    }
}

impl Diagnosis {
    /// The exit code: 0 for healthy and degraded, 1 for unhealthy; strictly, 1 for degraded, too.
    pub fn exit_code(&self, is_strict: bool) -> u8 {
        match self.report.state {
            State::Unhealthy => 1,
            State::Degraded => u8::from(is_strict),
            State::Healthy | State::Skipped => 0,
        }
    }

    /// The report for people.
    pub fn to_text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        for check in &self.report.checks {
            let mut found = check.detail.clone();
            if let Some(fix) = &check.fix {
                found.push_str(&format!("\n→ {fix}"));
            }
            table.add_row([check.state.to_string(), check.id.to_owned(), found]);
        }
        let mut text = String::new();
        for line in table.lines() {
            // The table has a space at either side.
            text.push_str(line.strip_prefix(' ').unwrap_or(&line).trim_end());
            text.push('\n');
        }
        for (what, sentences) in [("fixed", &self.fixed), ("not fixed", &self.not_fixed)] {
            for sentence in sentences {
                text.push_str(&format!("{what}: {sentence}\n"));
            }
        }
        text.push_str(&format!("\n{}: {}\n", self.report.state, self.summary()));
        text
    }

    fn summary(&self) -> String {
        let count = |state| {
            let checks = self.report.checks.iter();
            checks.filter(|check| check.state == state).count()
        };
        let parts = [
            (State::Unhealthy, "unhealthy"),
            (State::Degraded, "degraded"),
            (State::Healthy, "healthy"),
            (State::Skipped, "skipped"),
        ]
        .map(|(state, word)| (count(state), word));
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> = parts
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        parts.join(", ")
    }
}
