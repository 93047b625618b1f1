//! Sorts more than memory holds.
//!
//! What is to be sorted waits in memory. When it is too much, it goes in order to a temporary file
//! without a name, as a run; in the end the runs are merged, and what still waits with them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Seek as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How much of a run is read at one go.
const BUFFER_BYTES: usize = 16 << 10;

/// What can be sorted.
pub(super) trait Sortable: Serialize + DeserializeOwned {
    /// By what it is sorted.
    type Key: Ord + Copy;

    fn key(&self) -> Self::Key;

    /// How many bytes it holds outside of itself.
    fn held_bytes(&self) -> usize;
}

/// Takes things in any order. Those of the same key stay in the order in which they came.
pub(super) struct Sorter<T> {
    waiting: Vec<T>,
    held_bytes: usize,
    bytes_max: usize,
    spilled: Option<BufWriter<File>>,
    runs: Vec<Range<u64>>,
}

impl<T: Sortable> Sorter<T> {
    /// Lets so many bytes wait in memory.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            waiting: Vec::new(),
            held_bytes: 0,
            bytes_max,
            spilled: None,
            runs: Vec::new(),
        }
    }

    /// Takes something in.
    ///
    /// # Errors
    /// There is no room for it.
    pub(super) fn add(&mut self, thing: T) -> io::Result<()> {
        if size_of_val(&*self.waiting) + self.held_bytes >= self.bytes_max {
            self.spill()?;
        }
        self.held_bytes += thing.held_bytes();
        self.waiting.push(thing);
        Ok(())
    }

    /// Puts everything in order.
    ///
    /// # Errors
    /// The temporary file cannot be written.
    pub(super) fn sorted(mut self) -> io::Result<Sorted<T>> {
        sort(&mut self.waiting);
        let runs = match self.spilled {
            None => Vec::new(),
            Some(spilled) => {
                let file = Rc::new(spilled.into_inner()?);
                let run = |range| Run {
                    file: Rc::clone(&file),
                    range,
                };
                self.runs.into_iter().map(run).collect()
            }
        };
        Ok(Sorted {
            runs,
            waiting: Rc::new(self.waiting),
        })
    }

    /// Writes what waits as a run.
    fn spill(&mut self) -> io::Result<()> {
        sort(&mut self.waiting);
        let file = match &mut self.spilled {
            Some(file) => file,
            none => none.insert(BufWriter::new(tempfile::tempfile()?)),
        };
        let start = file.stream_position()?;
        for thing in self.waiting.drain(..) {
            rmp_serde::encode::write(file, &thing).map_err(io::Error::other)?;
        }
        self.held_bytes = 0;
        self.runs.push(start..file.stream_position()?);
        Ok(())
    }
}

/// Most sources are in order already.
fn sort<T: Sortable>(things: &mut [T]) {
    if !things.is_sorted_by_key(T::key) {
        things.sort_by_cached_key(T::key);
    }
}

/// Everything in order.
pub(super) struct Sorted<T> {
    runs: Vec<Run>,
    waiting: Rc<Vec<T>>,
}

impl<T: Sortable> Sorted<T> {
    /// Begins to go through all of it.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub(super) fn cursor(&self) -> io::Result<Cursor<T>> {
        let mut firsts = BinaryHeap::with_capacity(self.runs.len() + 1);
        let mut runs = Vec::with_capacity(self.runs.len());
        for run in &self.runs {
            let mut run = BufReader::with_capacity(BUFFER_BYTES, run.clone());
            let first: Option<T> = read(&mut run)?;
            firsts.extend(first.as_ref().map(|it| Reverse((it.key(), runs.len()))));
            runs.push((run, first));
        }
        let first = self.waiting.first();
        firsts.extend(first.map(|it| Reverse((it.key(), runs.len()))));
        Ok(Cursor {
            runs,
            waiting: Rc::clone(&self.waiting),
            passed: 0,
            firsts,
        })
    }
}

/// A place in what is in order.
pub(super) struct Cursor<T: Sortable> {
    /// Each run with its first thing that is not passed yet.
    runs: Vec<(BufReader<Run>, Option<T>)>,
    /// What waited in memory, and how many of it are passed.
    waiting: Rc<Vec<T>>,
    passed: usize,
    /// The first key of each run, and of what waited after them. Of two alike the earlier is first.
    firsts: BinaryHeap<Reverse<(T::Key, usize)>>,
}

impl<T: Sortable> Cursor<T> {
    /// What comes next.
    pub(super) fn peek(&self) -> Option<&T> {
        let Reverse((_, index)) = self.firsts.peek()?;
        match self.runs.get(*index) {
            Some((_, first)) => first.as_ref(),
            None => self.waiting.get(self.passed),
        }
    }

    /// Passes what comes next.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub(super) fn advance(&mut self) -> io::Result<()> {
        let Some(mut passed) = self.firsts.peek_mut() else {
            return Ok(());
        };
        let Reverse((key, index)) = &mut *passed;
        let first = match self.runs.get_mut(*index) {
            Some((run, first)) => {
                *first = read(run)?;
                first.as_ref()
            }
            None => {
                self.passed += 1;
                self.waiting.get(self.passed)
            }
        };
        match first {
            Some(first) => *key = first.key(),
            None => {
                PeekMut::pop(passed);
            }
        }
        Ok(())
    }
}

/// Reads the next thing of a run.
fn read<T: Sortable>(run: &mut BufReader<Run>) -> io::Result<Option<T>> {
    if run.fill_buf()?.is_empty() {
        return Ok(None);
    }
    rmp_serde::from_read(run)
        .map(Some)
        .map_err(io::Error::other)
}

/// A part of the temporary file.
#[derive(Clone)]
struct Run {
    file: Rc<File>,
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

        fn held_bytes(&self) -> usize {
            self.1.len()
        }
    }

    fn all(sorted: &Sorted<(u8, String)>) -> Vec<(u8, String)> {
        let mut cursor = sorted.cursor().unwrap();
        let mut all = Vec::new();
        while let Some(next) = cursor.peek().cloned() {
            cursor.advance().unwrap();
            all.push(next);
        }
        cursor.advance().unwrap();
        assert_eq!(cursor.peek(), None);
        all
    }

    fn sorted(things: &[(u8, String)], bytes_max: usize) -> Sorted<(u8, String)> {
        let mut sorter = Sorter::new(bytes_max);
        for thing in things {
            sorter.add(thing.clone()).unwrap();
        }
        sorter.sorted().unwrap()
    }

    proptest! {
        #[test]
        fn all_of_it_comes_back_in_order_however_little_memory_there_is(
            things in prop::collection::vec((0..6_u8, "[a-z]{0,30}"), 0..120),
            bytes_max in 1..4_000_usize,
        ) {
            let mut expected = things.clone();
            expected.sort_by_key(Sortable::key);
            let little = sorted(&things, bytes_max);
            prop_assert_eq!(&all(&little), &expected);
            prop_assert_eq!(all(&little), all(&sorted(&things, usize::MAX)));
        }
    }

    #[test]
    fn what_does_not_fit_goes_to_the_disk() {
        let things: Vec<_> = (0..100).map(|number| (number, "x".repeat(20))).collect();
        let in_runs = sorted(&things, 500);
        assert_eq!(all(&in_runs), things);
        assert!(in_runs.runs.len() > 5, "{}", in_runs.runs.len());
        assert!(sorted(&things, usize::MAX).runs.is_empty());
    }
}
