//! Files that tasks and settings name, read whole and in bounds; whoever wants to know which ones were read can have them
//! noted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Which file stood at a path, and in which state; none if there was none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamp(Option<[i128; 5]>);

impl Stamp {
    /// What stands at a path now.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let state = |found: fs::Metadata| {
            [
                found.dev().into(),
                found.ino().into(),
                found.size().into(),
                found.mtime().into(),
                found.mtime_nsec().into(),
            ]
        };
        Self(fs::metadata(path).ok().map(state))
    }
}

thread_local! {
    /// What is read while somebody wants it noted.
    static NOTED: RefCell<Option<BTreeMap<PathBuf, Stamp>>> = const { RefCell::new(None) };
}

/// Does something, and says which files it read on this thread, each as it was before it was read.
pub fn noting<T>(work: impl FnOnce() -> T) -> (T, BTreeMap<PathBuf, Stamp>) {
    NOTED.set(Some(BTreeMap::new()));
    let done = work();
    (done, NOTED.take().unwrap_or_default())
}

fn note(path: &Path) {
    NOTED.with_borrow_mut(|noted| {
        if let Some(noted) = noted {
            noted.insert(path.to_owned(), Stamp::of(path));
        }
    });
}

/// No file that is read whole is larger than this: revocation lists of large authorities have tens of MiB.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Reads a file that a task names.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    note(path);
    // One that nobody writes to would be waited for without end.
    if fs::metadata(path)?.file_type().is_fifo() {
        return Err(io::Error::other("it is a pipe"));
    }
    read_any(path)
}

/// Reads a file that the command line names, which may be a pipe.
pub(super) fn read_any(path: &Path) -> io::Result<Vec<u8>> {
    note(path);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_noted_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let (file, absent) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&file, "one").unwrap();
        let before = Stamp::of(&file);
        let ((), noted) = noting(|| {
            read_text(&file).unwrap();
            read_text(&absent).unwrap_err();
            fs::write(&file, "other").unwrap();
        });
        assert_eq!(noted, BTreeMap::from([(file.clone(), before), (absent, Stamp(None))]));
        assert_ne!(Stamp::of(&file), before);
        read_text(&file).unwrap();
        assert_eq!(noting(|| ()).1, BTreeMap::new());
    }
}
