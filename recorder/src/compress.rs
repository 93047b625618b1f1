//! Replaces a closed segment by its compressed form.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::storage::{sync_folder, write_new};

/// The quickest of zstd's, which on these lines is better than the default, 3, in all: 14 % smaller, half
/// as long to write, a tenth less to read. What is smaller by another tenth, 8, takes seven times as
/// long to write.
const LEVEL: i32 = 1;

/// Compresses a segment and removes the plain file. At every moment one of the two is whole. The
/// compressed one was written, as the file system has it, when the plain one was.
pub(crate) fn compress(plain: &Path) -> io::Result<PathBuf> {
    let folder = plain.parent().unwrap_or(Path::new("."));
    let compressed = with_suffix(plain, ".zst");
    let unfinished = with_suffix(plain, ".zst.tmp");
    let result = write_new(&unfinished, |file| {
        let mut encoder = compressor(file)?;
        let mut from = File::open(plain)?;
        let written = from.metadata()?.modified()?;
        io::copy(&mut from, &mut encoder)?;
        encoder.finish()?.set_modified(written)
    });
    // Read back before the original goes.
    let result = result.and_then(|()| {
        if hash(File::open(plain)?)? == hash(zstd::Decoder::new(File::open(&unfinished)?)?)? {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "what was compressed does not read back",
            ))
        }
    });
    if let Err(error) = result {
        // A leftover is no segment by its name, and the next try writes over it.
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    fs::rename(&unfinished, &compressed)?;
    sync_folder(folder)?;
    fs::remove_file(plain)?;
    Ok(compressed)
}

/// Begins to compress a segment into a file: as a writer does, at its level and with its checksum.
///
/// # Errors
/// There is no memory for it.
pub fn compressor<W: io::Write>(file: W) -> io::Result<zstd::Encoder<'static, W>> {
    let mut encoder = zstd::Encoder::new(file, LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

fn hash(mut from: impl io::Read) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut block = vec![0; 64 << 10];
    loop {
        match from.read(&mut block)? {
            0 => return Ok(digest.finalize().into()),
            count => digest.update(&block[..count]),
        }
    }
}

/// Returns the path with something after its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
