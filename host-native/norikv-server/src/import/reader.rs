//! The file's lines, read on a thread of their own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use tokio::sync::mpsc;
use xxhash_rust::xxh3::Xxh3;

/// One line of the file.
#[derive(Debug)]
pub(super) struct Line {
    /// Its number, the first being 1.
    pub(super) number: u64,
    /// The byte behind its line feed.
    pub(super) end: u64,
    /// Its bytes without the line feed.
    pub(super) bytes: Vec<u8>,
}

/// Lines read ahead.
const READ_AHEAD: usize = 1_024;

/// The xxh3-64 of the whole file, and its size.
pub(super) fn fingerprint(path: &Path) -> io::Result<(u64, u64)> {
    let mut file = File::open(path)?;
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hash.digest(), size));
        }
        hash.update(&buffer[..read]);
        size += read as u64;
    }
}

/// The lines from byte `offset` on, before which there are `lines_before`. Empty lines count but
/// hold no record, so they come as they are.
pub(super) fn lines(
    path: &Path,
    offset: u64,
    lines_before: u64,
) -> io::Result<mpsc::Receiver<io::Result<Line>>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut file = BufReader::with_capacity(1 << 16, file);
        let (mut number, mut end) = (lines_before, offset);
        loop {
            let mut bytes = Vec::new();
            let read = match file.read_until(b'\n', &mut bytes) {
                Ok(0) => return,
                Ok(read) => read,
                Err(why) => {
                    let _gone = sender.blocking_send(Err(why));
                    return;
                }
            };
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            number += 1;
            end += read as u64;
            if sender
                .blocking_send(Ok(Line { number, end, bytes }))
                .is_err()
            {
                return;
            }
        }
    });
    Ok(receiver)
}
