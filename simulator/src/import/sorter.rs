//! Sorts more than memory holds.
//!
//! What is to be sorted waits as bytes. When there are many of them, they go in order to a temporary
//! file without a name, as a run; in the end the runs are merged, and what still waits with them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::{mem, vec};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How many bytes may wait in memory, and as many again of their order.
const WAITING_BYTES_MAX: usize = 24 << 20;

/// How much of a run is read at one go.
const BUFFER_BYTES: usize = 32 << 10;

/// What can be sorted.
pub(super) trait Sortable: Serialize + DeserializeOwned {
    /// By what it is sorted.
    type Key: Ord + Copy;

    fn key(&self) -> Self::Key;
}

/// Takes things in any order. Those of the same key stay in the order in which they came.
pub(super) struct Sorter<T: Sortable> {
    /// Each thing's key, and where its bytes begin and end.
    order: Vec<(T::Key, usize, usize)>,
    bytes: Vec<u8>,
    bytes_max: usize,
    spilled: Option<BufWriter<File>>,
    spilled_bytes: u64,
    runs: Vec<Range<u64>>,
}

impl<T: Sortable> Sorter<T> {
    pub(super) fn new() -> Self {
        Self::with_bytes_max(WAITING_BYTES_MAX)
    }

    /// Lets fewer or more bytes wait in memory.
    pub(super) fn with_bytes_max(bytes_max: usize) -> Self {
        Self {
            order: Vec::new(),
            bytes: Vec::new(),
            bytes_max,
            spilled: None,
            spilled_bytes: 0,
            runs: Vec::new(),
        }
    }

    /// Takes something in.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) fn add(&mut self, thing: &T) -> io::Result<()> {
        if self.bytes.len().max(size_of_val(&*self.order)) >= self.bytes_max {
            self.spill()?;
        }
        let start = self.bytes.len();
        rmp_serde::encode::write(&mut self.bytes, thing).map_err(io::Error::other)?;
        self.order.push((thing.key(), start, self.bytes.len()));
        Ok(())
    }

    /// Gives everything back in order.
    ///
    /// # Errors
    /// The temporary file cannot be written or read.
    pub(super) fn sorted(mut self) -> io::Result<Sorted<T>> {
        self.order.sort_unstable();
        let mut sources = Vec::new();
        if let Some(spilled) = self.spilled {
            let file = Arc::new(spilled.into_inner()?);
            for range in self.runs {
                let run = Run {
                    file: Arc::clone(&file),
                    range,
                };
                sources.push(Source::Run(BufReader::with_capacity(BUFFER_BYTES, run)));
            }
        }
        sources.push(Source::Waiting {
            order: self.order.into_iter(),
            bytes: self.bytes,
        });
        let mut sorted = Sorted {
            first: BinaryHeap::with_capacity(sources.len()),
            things: sources.iter().map(|_| None).collect(),
            sources,
        };
        for index in 0..sorted.sources.len() {
            sorted.advance(index)?;
        }
        Ok(sorted)
    }

    /// Writes what waits as a run.
    fn spill(&mut self) -> io::Result<()> {
        self.order.sort_unstable();
        let file = match &mut self.spilled {
            Some(file) => file,
            none => none.insert(BufWriter::new(tempfile::tempfile()?)),
        };
        for &(_, start, end) in &self.order {
            file.write_all(&self.bytes[start..end])?;
        }
        let start = self.spilled_bytes;
        self.spilled_bytes += self.bytes.len() as u64;
        self.runs.push(start..self.spilled_bytes);
        self.order.clear();
        self.bytes.clear();
        Ok(())
    }
}

/// Everything in order.
pub(super) struct Sorted<T: Sortable> {
    sources: Vec<Source<T::Key>>,
    /// The first thing of each source, and their order. Of two alike the earlier source's is first.
    things: Vec<Option<T>>,
    first: BinaryHeap<Reverse<(T::Key, usize)>>,
}

enum Source<K> {
    Run(BufReader<Run>),
    Waiting {
        order: vec::IntoIter<(K, usize, usize)>,
        bytes: Vec<u8>,
    },
}

impl<T: Sortable> Sorted<T> {
    /// What comes next.
    pub(super) fn peek(&self) -> Option<&T> {
        let Reverse((_, index)) = self.first.peek()?;
        self.things[*index].as_ref()
    }

    /// Takes what comes next.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<T>> {
        let Some(Reverse((_, index))) = self.first.pop() else {
            return Ok(None);
        };
        let thing = self.things[index].take();
        self.advance(index)?;
        Ok(thing)
    }

    /// Reads the next thing of a source.
    fn advance(&mut self, index: usize) -> io::Result<()> {
        let thing: Option<T> = match &mut self.sources[index] {
            Source::Run(run) => match run.fill_buf()? {
                [] => None,
                _ => Some(rmp_serde::from_read(run).map_err(io::Error::other)?),
            },
            Source::Waiting { order, bytes } => match order.next() {
                Some((_, start, end)) => {
                    let bytes = &bytes[start..end];
                    Some(rmp_serde::from_slice(bytes).map_err(io::Error::other)?)
                }
                None => {
                    mem::take(bytes);
                    None
                }
            },
        };
        if let Some(thing) = &thing {
            self.first.push(Reverse((thing.key(), index)));
        }
        self.things[index] = thing;
        Ok(())
    }
}

/// A part of the temporary file.
struct Run {
    file: Arc<File>,
    range: Range<u64>,
}

impl Read for Run {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX);
        let room = left.min(buffer.len());
        let count = self.file.read_at(&mut buffer[..room], self.range.start)?;
        self.range.start += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Sortable for (u8, String) {
        type Key = u8;

        fn key(&self) -> u8 {
            self.0
        }
    }

    fn sorted(things: &[(u8, String)], bytes_max: usize) -> (Vec<(u8, String)>, usize) {
        let mut sorter = Sorter::with_bytes_max(bytes_max);
        for thing in things {
            sorter.add(thing).unwrap();
        }
        let runs = sorter.runs.len();
        let mut sorted = sorter.sorted().unwrap();
        let mut all = Vec::new();
        while let Some(next) = sorted.peek().cloned() {
            assert_eq!(sorted.next().unwrap().as_ref(), Some(&next));
            all.push(next);
        }
        assert_eq!(sorted.next().unwrap(), None);
        (all, runs)
    }

    proptest! {
        #[test]
        fn all_of_it_comes_back_in_order_however_little_memory_there_is(
            things in prop::collection::vec((0..6_u8, "[a-z]{0,30}"), 0..120),
            bytes_max in 1..2_000_usize,
        ) {
            let mut expected = things.clone();
            expected.sort_by_key(Sortable::key);
            prop_assert_eq!(&sorted(&things, bytes_max).0, &expected);
            prop_assert_eq!(sorted(&things, usize::MAX), (expected, 0));
        }
    }

    #[test]
    fn what_does_not_fit_goes_to_the_disk() {
        let things: Vec<_> = (0..100).map(|number| (number, "x".repeat(20))).collect();
        let (all, runs) = sorted(&things, 200);
        assert_eq!(all, things);
        assert!(runs > 5, "{runs}");
    }
}
