//! A replay that was stopped at a line, as bytes: to be saved, and gone on with later.
//!
//! What is saved is the state itself and not the way to it, so nothing is run again. A state
//! belongs to one trace, of which it names the session and a digest of the lines up to its own, and
//! to one version of the engine's semantics.
//!
//! The bytes are [`MAGIC`], the number of the [`FORMAT`] (4 bytes, little-endian), the SHA-256 of
//! all that follows (32 bytes), the length of the first of two parts (4 bytes, little-endian), and
//! the parts, each as MessagePack with named fields: [`About`], and the replay. Fields have names,
//! so that a state of another build is found out instead of misread; what can be worked out from
//! the rest is left out, and worked out anew. The checksum finds damage. Against a file that was
//! made to do harm it is no help: so what could lead to a panic later is refused when it is read,
//! and a state that would not be saved as the same bytes again is refused as well. Nothing here
//! touches a file.

use engine::{SEMANTICS, Seq};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::baselines::AnyPolicy;
use crate::replay::Replay;

/// What a state begins with.
pub const MAGIC: [u8; 8] = *b"simstate";

/// The version of the layout. It is raised when the meaning of a field changes and its name stays.
pub const FORMAT: u32 = 2;

/// The most bytes that a state is read from. A thousand tabs and all the hosts that are ever
/// remembered come to about a megabyte.
pub const BYTES_MAX: u64 = 256 << 20;

const FORMAT_AT: usize = MAGIC.len();
const CHECKSUM_AT: usize = FORMAT_AT + 4;
const LENGTH_AT: usize = CHECKSUM_AT + 32;
const ABOUT_AT: usize = LENGTH_AT + 4;

/// A stopped replay, and where it belongs.
#[derive(Clone, Debug)]
pub struct State {
    /// Where it belongs.
    pub about: About,
    /// The replay.
    pub replay: Replay<Box<dyn AnyPolicy>>,
}

/// Where a state belongs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The version of the engine's semantics.
    pub engine: u32,
    /// The session of the trace.
    pub session: String,
    /// The last line that was taken in.
    pub seq: Seq,
    /// The digest of all lines up to that one.
    pub digest: String,
    /// The policy that decides.
    pub policy: PolicyLabel,
    /// Those that decided before it, the first one first.
    pub before: Vec<Before>,
    /// Violations of hard guards that the present policy has nothing to do with.
    pub violations_before: u64,
}

/// What a policy was called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyLabel {
    /// Its name, as it was given.
    pub name: String,
    /// The hash of its document; a baseline has none.
    pub hash: Option<String>,
    /// What it draws its random numbers from, if it draws any.
    pub seed: Option<u64>,
}

impl PolicyLabel {
    /// Whether it is our own policy, under whatever document.
    pub fn is_ours(&self) -> bool {
        self.hash.is_some()
    }

    /// Whether both mean the same policy. Ours is what its document says, whatever it is called.
    pub fn is_same_policy(&self, other: &Self) -> bool {
        self.hash == other.hash
            && self.seed == other.seed
            && (self.hash.is_some() || self.name == other.name)
    }
}

/// A policy that decided earlier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// The last line on which it decided.
    pub until: Seq,
    /// The policy.
    pub policy: PolicyLabel,
}

/// Why bytes are no state to go on from.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StateError {
    /// They begin otherwise.
    #[error("is no saved state of a replay")]
    NotAState,
    /// A layout that this version does not know.
    #[error(
        "is of format {found}, and this version of sim reads format {FORMAT}: save it again with \
         this version"
    )]
    OtherFormat {
        /// The number that was found.
        found: u32,
    },
    /// An end is missing, or bytes were changed.
    #[error(
        "is damaged: its checksum does not fit its {bytes} bytes; save it again with `sim replay \
         --until --save-state`"
    )]
    Damaged {
        /// How many there are.
        bytes: usize,
    },
    /// Other semantics would decide otherwise from here on.
    #[error(
        "was saved by version {found} of the engine, and this is version {SEMANTICS}, which may \
         decide otherwise: save it again with this version"
    )]
    OtherEngine {
        /// The version that was found.
        found: u32,
    },
    /// It is whole, and nothing that this build has saved.
    #[error("was not saved by this version of sim ({0}): save it again with this version")]
    Foreign(String),
}

impl StateError {
    /// Whether what was saved is lost.
    pub fn is_corruption(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }
}

impl State {
    /// Writes the state. The same state comes out as the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let expect = "numbers, text, lists and maps can all be written to memory";
        let about = rmp_serde::to_vec_named(&self.about).expect(expect);
        let replay = rmp_serde::to_vec_named(&self.replay).expect(expect);
        let about_bytes = u32::try_from(about.len())
            .expect("it holds a few names; a command line is shorter than 4 GiB");
        let mut sealed = about_bytes.to_le_bytes().to_vec();
        sealed.extend(about);
        sealed.extend(replay);
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(Sha256::digest(&sealed));
        bytes.extend(sealed);
        bytes
    }

    /// Reads a state.
    ///
    /// # Errors
    /// What the bytes are instead of a state that this version can go on from.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        if bytes.get(..FORMAT_AT) != Some(&MAGIC[..]) {
            return Err(StateError::NotAState);
        }
        let damaged = StateError::Damaged { bytes: bytes.len() };
        let found = number_at(bytes, FORMAT_AT).ok_or_else(|| damaged.clone())?;
        if found != FORMAT {
            return Err(StateError::OtherFormat { found });
        }
        let checksum = bytes.get(CHECKSUM_AT..LENGTH_AT);
        let sealed = bytes.get(LENGTH_AT..).unwrap_or_default();
        if checksum != Some(&Sha256::digest(sealed)[..]) {
            return Err(damaged);
        }
        let parts = number_at(bytes, LENGTH_AT).and_then(|about_bytes| {
            bytes
                .get(ABOUT_AT..)?
                .split_at_checked(about_bytes as usize)
        });
        let (about, replay) = parts.ok_or(damaged)?;
        let foreign = |error: rmp_serde::decode::Error| StateError::Foreign(error.to_string());
        let about: About = rmp_serde::from_slice(about).map_err(foreign)?;
        if about.engine != SEMANTICS {
            return Err(StateError::OtherEngine {
                found: about.engine,
            });
        }
        let replay = rmp_serde::from_slice(replay).map_err(foreign)?;
        let state = Self { about, replay };
        if state.to_bytes() != bytes {
            let problem = "it would be saved differently";
            return Err(StateError::Foreign(problem.to_owned()));
        }
        Ok(state)
    }
}

/// A number of four bytes.
fn number_at(bytes: &[u8], at: usize) -> Option<u32> {
    let (number, _) = bytes.get(at..)?.split_first_chunk()?;
    Some(u32::from_le_bytes(*number))
}
