//! Messages on a byte stream: a length of four bytes, then that many bytes of JSON.
//!
//! The lengths count bytes and stand in the machine's byte order. Nothing here knows what a
//! message says.

use std::io::{self, Read, Write};

use thiserror::Error;

/// The most bytes that a message may have in either direction.
///
/// From the host to the browser this is the browser's own limit: it closes the port on one byte
/// more.
pub const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// The most bytes that any browser sends. A length above it was never meant as one.
pub const MAX_BROWSER_BYTES: usize = 64 * 1024 * 1024;

/// Reads messages from a stream.
#[derive(Debug)]
pub struct MessageReader<R> {
    stream: R,
}

impl<R: Read> MessageReader<R> {
    /// Reads from this stream.
    pub fn new(stream: R) -> Self {
        Self { stream }
    }

    /// Returns the bytes of the next message, or `None` where the stream ends between two.
    ///
    /// # Errors
    /// After [`FramingError::TooLarge`] the stream stands at the next message and reading may go
    /// on. After any other error it cannot.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>, FramingError> {
        let mut length = [0; 4];
        let found = self.read_up_to(&mut length)?;
        if found == 0 {
            return Ok(None);
        }
        if found < length.len() {
            return Err(FramingError::Truncated {
                expected: length.len(),
                found,
            });
        }
        // Every machine that runs a browser has a pointer of at least 32 bits.
        let bytes = usize::try_from(u32::from_ne_bytes(length)).unwrap_or(usize::MAX);
        if bytes > MAX_BROWSER_BYTES {
            return Err(FramingError::OutOfStep { bytes });
        }
        if bytes > MAX_MESSAGE_BYTES {
            self.pass_over(bytes)?;
            return Err(FramingError::TooLarge { bytes });
        }
        let mut message = vec![0; bytes];
        let found = self.read_up_to(&mut message)?;
        if found < bytes {
            return Err(FramingError::Truncated {
                expected: bytes,
                found,
            });
        }
        Ok(Some(message))
    }

    /// Fills the buffer as far as the stream goes.
    fn read_up_to(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn pass_over(&mut self, bytes: usize) -> Result<(), FramingError> {
        let mut block = [0; 16 * 1024];
        let mut left = bytes;
        while left > 0 {
            let wanted = left.min(block.len());
            let found = self.read_up_to(&mut block[..wanted])?;
            left -= found;
            if found < wanted {
                return Err(FramingError::Truncated {
                    expected: bytes,
                    found: bytes - left,
                });
            }
        }
        Ok(())
    }
}

/// Writes one message, length and content in a single call, and flushes.
///
/// # Errors
/// [`FramingError::TooLarge`] for a message that the browser would not take; nothing is written
/// then. Otherwise what the stream says.
pub fn write_message(stream: &mut impl Write, message: &[u8]) -> Result<(), FramingError> {
    let bytes = message.len();
    let length = u32::try_from(bytes)
        .ok()
        .filter(|_| bytes <= MAX_MESSAGE_BYTES);
    let Some(length) = length else {
        return Err(FramingError::TooLarge { bytes });
    };
    let mut frame = Vec::with_capacity(4 + bytes);
    frame.extend_from_slice(&length.to_ne_bytes());
    frame.extend_from_slice(message);
    stream.write_all(&frame)?;
    stream.flush()?;
    Ok(())
}

/// Why no message could be read or written.
#[derive(Debug, Error)]
pub enum FramingError {
    /// The message is above the limit. It was passed over.
    #[error("found a message of {bytes} bytes, expected at most {MAX_MESSAGE_BYTES}")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The length is above anything that a browser sends.
    #[error("found a length of {bytes} bytes, which no browser sends: the stream is out of step")]
    OutOfStep {
        /// What was found where a length should stand.
        bytes: usize,
    },
    /// The stream ended within a message.
    #[error("the stream ended within a message, after {found} of {expected} bytes")]
    Truncated {
        /// How many bytes were announced.
        expected: usize,
        /// How many there were.
        found: usize,
    },
    /// The stream itself failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives what it holds in pieces, as a pipe may.
    struct Dribble<'a> {
        bytes: &'a [u8],
        piece: usize,
    }

    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.piece.min(buffer.len()).min(self.bytes.len());
            buffer[..count].copy_from_slice(&self.bytes[..count]);
            self.bytes = &self.bytes[count..];
            Ok(count)
        }
    }

    fn frames(messages: &[Vec<u8>]) -> Vec<u8> {
        let mut stream = Vec::new();
        for message in messages {
            write_message(&mut stream, message).unwrap();
        }
        stream
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..8),
            piece in 1_usize..50,
        ) {
            let stream = frames(&messages);
            let mut reader = MessageReader::new(Dribble { bytes: &stream, piece });
            for message in &messages {
                let read = reader.read().unwrap();
                prop_assert_eq!(read.as_ref(), Some(message));
            }
            prop_assert_eq!(reader.read().unwrap(), None);
        }

        #[test]
        fn a_cut_stream_is_told_from_one_that_ends(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 1..5),
            cut in any::<prop::sample::Index>(),
        ) {
            let stream = frames(&messages);
            let cut = cut.index(stream.len() + 1);
            let mut whole = 0;
            let mut between = vec![0];
            for message in &messages {
                whole += 4 + message.len();
                between.push(whole);
            }
            let mut reader = MessageReader::new(&stream[..cut]);
            let end = loop {
                match reader.read() {
                    Ok(Some(_)) => {}
                    Ok(None) => break true,
                    Err(FramingError::Truncated { .. }) => break false,
                    Err(error) => panic!("{error}"),
                }
            };
            prop_assert_eq!(end, between.contains(&cut));
        }

        #[test]
        fn no_stream_makes_it_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut reader = MessageReader::new(bytes.as_slice());
            while let Ok(Some(message)) = reader.read() {
                prop_assert!(message.len() <= bytes.len());
            }
        }
    }

    #[test]
    fn the_largest_message_passes_and_one_byte_more_is_passed_over() {
        let largest = vec![b' '; MAX_MESSAGE_BYTES];
        let mut stream = frames(std::slice::from_ref(&largest));
        let length = u32::try_from(MAX_MESSAGE_BYTES + 1).unwrap();
        stream.extend_from_slice(&length.to_ne_bytes());
        stream.extend_from_slice(&largest);
        stream.push(b' ');
        stream.extend_from_slice(&frames(&[b"{}".to_vec()]));

        let mut reader = MessageReader::new(stream.as_slice());
        assert_eq!(reader.read().unwrap(), Some(largest));
        let error = reader.read().unwrap_err();
        assert!(
            matches!(error, FramingError::TooLarge { bytes } if bytes == MAX_MESSAGE_BYTES + 1)
        );
        assert_eq!(reader.read().unwrap(), Some(b"{}".to_vec()));
        assert_eq!(reader.read().unwrap(), None);
    }

    #[test]
    fn a_length_that_no_browser_sends_ends_the_stream() {
        let stream = u32::MAX.to_ne_bytes();
        let error = MessageReader::new(stream.as_slice()).read().unwrap_err();
        assert!(matches!(error, FramingError::OutOfStep { .. }), "{error}");
    }

    #[test]
    fn a_message_above_the_limit_is_not_written() {
        let mut stream = Vec::new();
        let message = vec![b' '; MAX_MESSAGE_BYTES + 1];
        let error = write_message(&mut stream, &message).unwrap_err();
        assert!(matches!(error, FramingError::TooLarge { .. }), "{error}");
        assert!(stream.is_empty());
    }
}
