//! Many people under one seed: who is of which kind, and what each one's trace says of itself.
//!
//! A person depends on the seed, the profile and their own number, and on nobody else: people can
//! be made in any order, on any number of threads, and alone.

use engine::{SEMANTICS, Seq};
use recorder::{Body, Line, Opening, Origin, Privacy, Source, session_made_from};

use super::draw::Draw;
use super::person::Person;
use super::profile::{Member, Population};
use crate::calibration::{Calibration, Measures};

/// The version of the generator. It is raised when a seed would give other bytes than before.
pub const GENERATOR: u32 = 2;

/// The semantics that traces name. No engine decides anything in them, so it is the one that there
/// was when the generator was made, and the bytes stay.
const NAMED_SEMANTICS: u32 = 1;
const _: () = assert!(NAMED_SEMANTICS <= SEMANTICS);

/// The stream that says who is of which kind. People's own begin after it.
const KINDS: u64 = 0;

/// People to make.
#[derive(Clone, Debug)]
pub struct Generation {
    /// What they are drawn from.
    pub population: Population,
    /// The seed of all of them.
    pub seed: u64,
    /// When their traces begin, in Unix milliseconds.
    pub from_ms: i64,
    /// When they end.
    pub until_ms: i64,
}

impl Generation {
    /// Returns what the person of this number, from 0, is drawn from.
    ///
    /// Kinds are spread evenly over the numbers, not drawn one by one: of the first hundred people
    /// as of any other hundred, as many are of each kind as its weight says, to within one or two.
    pub fn member(&self, number: u64) -> &Member {
        // Steps of the golden ratio, in parts of 2⁶⁴ (Weyl's sequence, which fills evenly).
        const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
        let start = Draw::new(self.seed, KINDS).bits();
        let place = start.wrapping_add(number.wrapping_mul(GOLDEN));
        let members = &self.population.members;
        let total: f64 = members.iter().map(|member| member.weight).sum();
        let mut left = total * (place >> 11) as f64 / (1_u64 << 53) as f64;
        for member in members {
            left -= member.weight;
            if left < 0.0 {
                return member;
            }
        }
        &members[members.len() - 1]
    }

    /// Returns what happens to the person of this number, line by line.
    pub fn person(&self, number: u64) -> Person {
        let profile = &self.member(number).profile;
        Person::new(profile, self.seed, number, self.from_ms, self.until_ms)
    }

    /// Returns what that person's trace says of itself.
    pub fn opening(&self, number: u64) -> Opening {
        let Member { name, profile, .. } = self.member(number);
        let generator = format!(
            "synth {GENERATOR}; profile {name} {}; person {}",
            profile.hash(),
            number + 1
        );
        let material = format!("{generator}\n{}\n{}", self.seed, self.until_ms);
        Opening {
            session: session_made_from(self.from_ms, material.as_bytes()),
            extension_session: None,
            engine: NAMED_SEMANTICS,
            // The same bytes whichever version of the program wrote them.
            host_version: format!("synth-{GENERATOR}"),
            platform: "synthetic".to_owned(),
            privacy: Privacy::Hostname,
            origin: Origin::Synthetic,
            generator: Some(generator),
            seed: Some(self.seed),
            importer: None,
            derived_from: None,
        }
    }

    /// Measures the person of this number without writing anything.
    pub fn measure(&self, number: u64) -> Measures {
        let mut measuring = Measuring::new(&self.opening(number), self.from_ms);
        for (t_ms, body) in self.person(number) {
            measuring.take(t_ms, body);
        }
        measuring.finish()
    }
}

/// Measures a trace as it is made.
pub struct Measuring {
    calibration: Calibration,
    next_seq: u64,
}

impl Measuring {
    /// Begins with the first line.
    pub fn new(opening: &Opening, t_ms: i64) -> Self {
        let mut measuring = Self {
            calibration: Calibration::new(),
            next_seq: 0,
        };
        measuring.take(t_ms, Body::LogOpened(opening.header()));
        measuring
    }

    /// Takes the next line in.
    pub fn take(&mut self, t_ms: i64, body: Body) {
        let src = body.source().unwrap_or(Source::Host);
        self.calibration.take(&Line {
            seq: Seq(self.next_seq),
            t_ms,
            src,
            n: None,
            at_ms: (src == Source::Ext).then_some(t_ms),
            body,
        });
        self.next_seq += 1;
    }

    /// Ends the account.
    pub fn finish(self) -> Measures {
        self.calibration.finish().measures
    }
}
