//! The append-only log of tab events and metric samples.
//!
//! A trace is one browser session, kept as JSON Lines in one or more segments. This crate has the
//! wire types, the writer with its lock, checkpoints, seals and rotation, the streaming reader, and
//! what a restarted host needs to go on with its trace. It decides nothing. The contract is
//! `FORMAT.md`, beside this crate's manifest.

mod batch;
mod bytes;
mod canonical;
mod composer;
mod compress;
mod convert;
mod error;
mod ext_event;
mod fields;
mod line;
mod lock;
mod opening;
mod outflow;
mod packed_folder;
mod privacy;
mod reader;
mod retention;
mod salvage;
mod schema;
mod segment;
mod storage;
mod tally;
mod wire;
mod writer;

pub use bytes::FileEnd;
pub use composer::{Composed, Compression, TraceComposer};
pub use compress::compressor;
pub use error::*;
pub use ext_event::*;
pub use line::*;
pub use lock::TraceLock;
pub use opening::*;
pub use packed_folder::{PackedFile, PackedFolder};
pub use privacy::{HostKey, Naming, site_of};
pub use reader::*;
pub use retention::{FileTimes, Removal, Retention, StoredTrace};
pub use salvage::{Damage, Found, Salvage, SalvageReader, Vouched};
pub use schema::schema;
pub use segment::{ByFirstFile, Segment, file_name, is_named_as_segment};
pub use storage::{Disk, SegmentFile, Storage};
pub use wire::*;
pub use writer::*;
