//! Whose traces are whose: one rule for every command to which it matters.

use std::collections::BTreeMap;

use anyhow::bail;
use regex::Regex;
use simulator::comparison::Person;

use crate::named_traces::{NamedTrace, short_names};

/// How a person is found in what a trace is called.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PersonArgs {
    /// A regular expression that finds the person in a trace's name, by its first group: what is
    /// of one person counts as one; «^» takes all traces for one person's [default: each trace is
    /// another person's]
    #[arg(long, value_name = "REGEX", value_parser = parse_pattern)]
    pub(crate) person: Option<Regex>,
}

impl PersonArgs {
    /// The person of each trace, by the traces' short names.
    ///
    /// # Errors
    /// A name that the expression does not match.
    pub(crate) fn of_each(&self, names: &[String]) -> anyhow::Result<Vec<String>> {
        let person = |name: &String| person_of(name, self.person.as_ref());
        names.iter().map(person).collect()
    }

    /// The same where some could not be opened: those are nobody's, whatever they are called, and told
    /// when their turn comes.
    ///
    /// # Errors
    /// The name of another that the expression does not match.
    pub(crate) fn of_named(&self, traces: &[NamedTrace]) -> anyhow::Result<Vec<String>> {
        let names = short_names(traces.iter().map(|it| &*it.path));
        let person = |(named, name): (&NamedTrace, &String)| {
            let pattern = self.person.as_ref().filter(|_| named.trace.is_ok());
            person_of(name, pattern)
        };
        traces.iter().zip(&names).map(person).collect()
    }
}

/// Says what is wrong with a pattern in a line; its own error draws it over several.
fn parse_pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        let error = error.to_string();
        let last = error.lines().last().unwrap_or_default();
        let problem = last.strip_prefix("error: ").unwrap_or(last);
        format!("not a regular expression: {problem}")
    })
}

/// Puts together what is of one person, in the order of their names.
pub(crate) fn people(of_each: impl IntoIterator<Item = String>) -> Vec<Person> {
    let mut people: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (trace, name) in of_each.into_iter().enumerate() {
        people.entry(name).or_default().push(trace);
    }
    let person = |(name, traces)| Person { name, traces };
    people.into_iter().map(person).collect()
}

/// Writes how many people.
pub(crate) fn people_count(count: usize) -> String {
    match count {
        1 => "1 person".to_owned(),
        count => format!("{count} people"),
    }
}

/// The person in a trace's name: what the pattern's first group holds, or all that it matches.
fn person_of(name: &str, pattern: Option<&Regex>) -> anyhow::Result<String> {
    let Some(pattern) = pattern else {
        return Ok(name.to_owned());
    };
    let Some(found) = pattern.captures(name) else {
        bail!("--person: {pattern} does not match the trace {name:?}");
    };
    let person = found.get(1).or(found.get(0));
    Ok(person.map_or(name, |it| it.as_str()).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_finds_the_person() {
        let pattern = Regex::new(r"^(.*)-w\d$").unwrap();
        assert_eq!(person_of("alice-w1", Some(&pattern)).unwrap(), "alice");
        assert_eq!(person_of("alice-w1", None).unwrap(), "alice-w1");
        let whole = Regex::new("^[a-z]+").unwrap();
        assert_eq!(person_of("alice-w1", Some(&whole)).unwrap(), "alice");
        assert!(person_of("alice", Some(&pattern)).is_err());
        let all = Regex::new("^").unwrap();
        assert_eq!(person_of("alice-w1", Some(&all)).unwrap(), "");
    }
}
