//! The bytes of a segment on their way to its file: summed, compressed where that is wanted, and
//! written. Where there is a second processor a thread of its own does that, a few blocks behind.
//!
//! Which of the two it is changes no byte. An error is told with a later block, or at the end.

use std::fs::File;
use std::io::{self, Write as _};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use sha2::{Digest as _, Sha256};

use crate::compress::compressor;

/// How much a block holds before it is handed on, about: some 800 lines. With fewer the thread is
/// woken, and the system called, too often; with more they do not stay in the processor's cache.
pub(crate) const BLOCK_BYTES: usize = 128 << 10;

/// How many blocks go round between the two threads.
const BLOCKS_BEHIND: usize = 5;

/// Where the blocks of a segment go.
pub(crate) enum Outflow {
    /// They are taken where they are given.
    Here(Box<Sink>),
    /// They are taken in a thread of their own.
    Behind {
        full: Sender<Vec<u8>>,
        empty: Receiver<Vec<u8>>,
        thread: JoinHandle<io::Result<Sink>>,
    },
}

impl Outflow {
    /// Begins, in a thread of its own if that is wanted and the system has one.
    pub(crate) fn new(sink: Sink, is_behind: bool) -> io::Result<Self> {
        if !is_behind {
            return Ok(Self::Here(Box::new(sink)));
        }
        let (full, blocks) = channel();
        let (emptied, empty) = channel();
        for _ in 0..BLOCKS_BEHIND {
            // Its receiver is right here.
            let _ = emptied.send(new_block());
        }
        let thread = thread::Builder::new()
            .name("outflow".to_owned())
            .spawn(move || sink.take_all(&blocks, &emptied))?;
        Ok(Self::Behind {
            full,
            empty,
            thread,
        })
    }

    /// Hands a block on, and leaves it empty. After an error there is no more to hand anything on to.
    ///
    /// A thread of its own gets a copy: a block that it had would have to come back, line by line,
    /// out of the other processor's cache.
    pub(crate) fn give(mut self, block: &mut Vec<u8>) -> io::Result<Self> {
        match &mut self {
            Self::Here(sink) => {
                sink.take(block)?;
                block.clear();
            }
            Self::Behind { full, empty, .. } => {
                let given = empty.recv().is_ok_and(|mut copy| {
                    copy.extend_from_slice(block);
                    full.send(copy).is_ok()
                });
                block.clear();
                if !given {
                    // The thread ended before its time, and says why.
                    self.end()?;
                    return Err(io::Error::other("the thread that writes ended too early"));
                }
            }
        }
        Ok(self)
    }

    /// Gives the sink back once it has all blocks.
    pub(crate) fn end(self) -> io::Result<Sink> {
        match self {
            Self::Here(sink) => Ok(*sink),
            Self::Behind { full, thread, .. } => {
                drop(full);
                thread.join().unwrap_or_else(|panic| resume_unwind(panic))
            }
        }
    }
}

/// Makes room for a block, and for the line that it ends with.
pub(crate) fn new_block() -> Vec<u8> {
    Vec::with_capacity(BLOCK_BYTES + (8 << 10))
}

/// What a segment's bytes run into.
pub(crate) struct Sink {
    sha256: Sha256,
    output: Output,
}

enum Output {
    Plain(File),
    Zstd(Box<zstd::Encoder<'static, File>>),
}

impl Sink {
    pub(crate) fn plain(file: File) -> Self {
        Self {
            sha256: Sha256::new(),
            output: Output::Plain(file),
        }
    }

    pub(crate) fn zstd(file: File) -> io::Result<Self> {
        Ok(Self {
            sha256: Sha256::new(),
            output: Output::Zstd(Box::new(compressor(file)?)),
        })
    }

    /// SHA-256 of all that it took.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        self.sha256.clone().finalize().into()
    }

    /// Takes the last block, and ends the file.
    pub(crate) fn end(mut self, block: &[u8]) -> io::Result<()> {
        self.take(block)?;
        match self.output {
            Output::Plain(_) => Ok(()),
            Output::Zstd(encoder) => encoder.finish().map(drop),
        }
    }

    fn take(&mut self, block: &[u8]) -> io::Result<()> {
        self.sha256.update(block);
        match &mut self.output {
            Output::Plain(file) => file.write_all(block),
            Output::Zstd(encoder) => encoder.write_all(block),
        }
    }

    fn take_all(
        mut self,
        blocks: &Receiver<Vec<u8>>,
        emptied: &Sender<Vec<u8>>,
    ) -> io::Result<Self> {
        for mut block in blocks {
            self.take(&block)?;
            block.clear();
            // Who gives no more blocks needs no more room for them.
            let _ = emptied.send(block);
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;
    use sha2::Digest as _;

    use super::*;

    fn written(blocks: &[Vec<u8>], is_behind: bool) -> (Vec<u8>, [u8; 32]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("segment");
        let sink = Sink::plain(File::create(&path).unwrap());
        let mut outflow = Outflow::new(sink, is_behind).unwrap();
        for block in blocks {
            let mut block = block.clone();
            outflow = outflow.give(&mut block).unwrap();
            assert!(block.is_empty());
        }
        let sink = outflow.end().unwrap();
        let sha256 = sink.sha256();
        sink.end(b"the last").unwrap();
        (fs::read(&path).unwrap(), sha256)
    }

    proptest! {
        #[test]
        fn a_thread_of_its_own_changes_no_byte(
            blocks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..30),
        ) {
            let all = blocks.concat();
            let here = written(&blocks, false);
            prop_assert_eq!(&here.1[..], &Sha256::digest(&all)[..]);
            prop_assert_eq!(&here.0, &[&all[..], b"the last"].concat());
            prop_assert_eq!(here, written(&blocks, true));
        }
    }

    #[test]
    fn what_the_file_system_refuses_is_told_in_the_end_at_the_latest() {
        for is_behind in [false, true] {
            for count in 1..20 {
                let full = File::options().write(true).open("/dev/full").unwrap();
                let mut outflow = Outflow::new(Sink::plain(full), is_behind);
                for _ in 0..count {
                    outflow = outflow.and_then(|outflow| outflow.give(&mut vec![b'x'; 9]));
                }
                let error = outflow.and_then(Outflow::end).err().unwrap();
                assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{count}");
            }
        }
    }
}
