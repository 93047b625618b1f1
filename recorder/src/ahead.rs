//! Reads ahead in a thread of its own: what is decompressed there is looked at here meanwhile.

use std::io::{self, Read};
use std::iter;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

/// How many blocks wait to be taken. One more is being read, and one is being looked at.
const BLOCKS_AHEAD: usize = 4;

/// Bytes in the order in which another thread reads them. It is a few blocks ahead at any time and
/// no more, and ends with the last of them, or when this is dropped.
pub(crate) struct ReadAhead {
    blocks: Receiver<io::Result<Vec<u8>>>,
    block: Vec<u8>,
    /// How much of the block is consumed.
    consumed: usize,
    is_done: bool,
}

impl ReadAhead {
    /// Begins to read, in blocks of `block_bytes`.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub(crate) fn new(input: impl Read + Send + 'static, block_bytes: usize) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(BLOCKS_AHEAD);
        let read = move || {
            for block in blocks(input, block_bytes) {
                // A receiver that is gone has no use for it.
                if sender.send(block).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("ahead".to_owned());
        thread.spawn(read)?;
        Ok(Self {
            blocks: receiver,
            block: Vec::new(),
            consumed: 0,
            is_done: false,
        })
    }
}

/// Reads what there is until its end, which an empty block tells, or an error. What came before an
/// error counts: the error stands where it happened.
fn blocks(mut input: impl Read, block_bytes: usize) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    let mut last = None;
    let mut is_done = false;
    iter::from_fn(move || {
        if is_done {
            return last.take();
        }
        let mut block = Vec::with_capacity(block_bytes);
        let ended = (&mut input)
            .take(block_bytes as u64)
            .read_to_end(&mut block);
        if block.len() < block_bytes || ended.is_err() {
            is_done = true;
            last = Some(ended.map(|_| Vec::new()));
        }
        if block.is_empty() {
            return last.take();
        }
        Some(Ok(block))
    })
}

impl Read for ReadAhead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.consumed == self.block.len() && !self.is_done {
            self.block.clear();
            self.consumed = 0;
            self.block = self.blocks.recv().map_err(|_| ended_early())??;
            self.is_done = self.block.is_empty();
        }
        let count = (&self.block[self.consumed..]).read(out)?;
        self.consumed += count;
        Ok(count)
    }
}

/// What is told where something was to come from a thread and did not.
pub(crate) fn ended_early() -> io::Error {
    io::Error::other("the thread that works ahead ended too early")
}
