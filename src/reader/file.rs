//! Files that tasks and settings name, read whole and in bounds.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

/// No file that is read whole is larger than this: revocation lists of large authorities have tens of MiB.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Reads a file that a task names.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    // One that nobody writes to would be waited for without end.
    if fs::metadata(path)?.file_type().is_fifo() {
        return Err(io::Error::other("it is a pipe"));
    }
    read_any(path)
}

/// Reads a file that the command line names, which may be a pipe.
pub(super) fn read_any(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("it is larger than {} MiB", LARGEST / (1024 * 1024))));
    }
    Ok(bytes)
}

/// The same for a file that holds text.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read_file(path)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}
