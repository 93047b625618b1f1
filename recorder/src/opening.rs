//! What a trace begins with: what its first line says, and the id that it gets.

use std::path::Path;

use sha2::{Digest as _, Sha256};
use uuid::{Builder, NoContext, Timestamp, Uuid};

use crate::error::ReadError;
use crate::segment::SegmentFiles;
use crate::wire::{FORMAT_NAME, FORMAT_VERSION, LogOpened, Origin, Privacy};

/// What a trace is: what its first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The id of the trace; see [`new_session`]. A recorded one gets a later id where its
    /// extension's session has a trace already that would sort after it.
    pub session: Uuid,
    /// The id that the extension gave its session; `None` where there is no extension.
    pub extension_session: Option<String>,
    /// The version of the engine's semantics.
    pub engine: u32,
    /// The version of the program that writes.
    pub host_version: String,
    /// The operating system and machine, such as "linux-x86_64".
    pub platform: String,
    /// How hostnames are written.
    pub privacy: Privacy,
    /// Where the trace comes from.
    pub origin: Origin,
    /// The program and settings that make a synthetic trace.
    pub generator: Option<String>,
    /// The seed of a synthetic trace.
    pub seed: Option<u64>,
    /// The importer that makes an imported trace.
    pub importer: Option<String>,
    /// What a derived trace is made from.
    pub derived_from: Option<String>,
}

impl Opening {
    /// Makes the first line of the first segment.
    pub fn header(&self) -> LogOpened {
        let opening = self.clone();
        LogOpened {
            format: FORMAT_NAME.to_owned(),
            v: FORMAT_VERSION,
            engine: opening.engine,
            session: opening.session,
            extension_session: opening.extension_session,
            segment: 0,
            replaces_from: None,
            host_version: opening.host_version,
            platform: opening.platform,
            privacy: opening.privacy,
            origin: opening.origin,
            generator: opening.generator,
            seed: opening.seed,
            importer: opening.importer,
            derived_from: opening.derived_from,
        }
    }
}

/// Makes the id of a new trace: a version 7 UUID, so that ids sort by time.
pub fn new_session(t_ms: i64) -> Uuid {
    let t_ms = u64::try_from(t_ms).unwrap_or(0);
    let nanos = u32::try_from(t_ms % 1_000).unwrap_or(0) * 1_000_000;
    Uuid::new_v7(Timestamp::from_unix(NoContext, t_ms / 1_000, nanos))
}

/// The id of the trace that is begun now: that of its opening, or the next one after those of the
/// extension's session where the clock was set back since, or did not go on. (RFC 9562, section
/// 6.2, has ids go on from the last time, too.)
pub(crate) fn session_to_begin(folder: &Path, opening: &Opening) -> Result<Uuid, ReadError> {
    let Some(extension_session) = &opening.extension_session else {
        return Ok(opening.session);
    };
    let newest = SegmentFiles::newest_of(folder, extension_session)?;
    let next = newest.map(|newest| {
        let t_ms = newest.header.session.as_u128() >> 80;
        new_session(i64::try_from(t_ms + 1).unwrap_or(i64::MAX))
    });
    Ok(next.map_or(opening.session, |next| next.max(opening.session)))
}

/// Makes the id of a trace that is made from something else: the same for the same time and
/// material, so that the same input gives the same bytes. It has the form of [`new_session`]'s.
pub fn session_made_from(t_ms: i64, material: &[u8]) -> Uuid {
    let mut bits = [0; 10];
    bits.copy_from_slice(&Sha256::digest(material)[..10]);
    Builder::from_unix_timestamp_millis(u64::try_from(t_ms).unwrap_or(0), &bits).into_uuid()
}
