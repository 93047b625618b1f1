//! Reads ahead in a thread of its own: what is decompressed there is looked at here meanwhile.
//!
//! A few blocks are ahead at any time and no more. The thread ends with what it reads, with the
//! first error, which is handed on in its place, or when the reader is dropped.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// How many blocks wait to be taken. One more is being made, and one is being read.
const BLOCKS_AHEAD: usize = 2;

/// Bytes in the order in which another thread reads them.
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
        let (sender, blocks) = sync_channel(BLOCKS_AHEAD);
        thread::Builder::new()
            .name("read ahead".to_owned())
            .spawn(move || send_blocks(input, block_bytes, &sender))?;
        Ok(Self {
            blocks,
            block: Vec::new(),
            consumed: 0,
            is_done: false,
        })
    }
}

/// Sends what there is until its end, which an empty block tells, an error, or a receiver that is
/// gone.
fn send_blocks(mut input: impl Read, block_bytes: usize, sender: &SyncSender<io::Result<Vec<u8>>>) {
    loop {
        let mut block = Vec::with_capacity(block_bytes);
        let ended = (&mut input)
            .take(block_bytes as u64)
            .read_to_end(&mut block);
        let is_last = block.len() < block_bytes;
        // What came before an error counts: the error stands where it happened.
        if !block.is_empty() && sender.send(Ok(block)).is_err() {
            return;
        }
        if is_last || ended.is_err() {
            // A receiver that is gone has no use for it.
            let _ = sender.send(ended.map(|_| Vec::new()));
            return;
        }
    }
}

impl Read for ReadAhead {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.consumed == self.block.len() && !self.is_done {
            self.block.clear();
            self.consumed = 0;
            let gone = |_| io::Error::other("the thread that reads ahead ended before its input");
            self.block = self.blocks.recv().map_err(gone)??;
            self.is_done = self.block.is_empty();
        }
        let count = (&self.block[self.consumed..]).read(out)?;
        self.consumed += count;
        Ok(count)
    }
}
