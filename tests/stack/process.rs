//! Servers as ordinary processes: where their programs are, what they write, and how they end.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A server under `tests/stack/attend`, which ends it when this process closes the pipe, by whatever end it has.
pub struct Attended {
    attendant: Child,
}

impl Attended {
    /// Starts the command that `describe` adds; the folder is the server's and goes with it.
    pub fn start(folder: &Path, describe: impl FnOnce(&mut Command) -> &mut Command) -> io::Result<Self> {
        let mut attend = Command::new(here("attend"));
        describe(attend.arg(folder)).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        Ok(Self { attendant: attend.spawn()? })
    }

    /// Whether neither the server nor its attendant has ended.
    pub fn is_running(&mut self) -> bool {
        matches!(self.attendant.try_wait(), Ok(None))
    }

    /// Ends the server and hands over what it had to say.
    pub fn end(mut self) -> String {
        drop(self.attendant.stdin.take());
        let mut said = String::new();
        if let Some(mut errors) = self.attendant.stderr.take() {
            let _ = errors.read_to_string(&mut said);
        }
        said.trim().to_owned()
    }
}

impl Drop for Attended {
    fn drop(&mut self) {
        drop(self.attendant.stdin.take());
        let _ = self.attendant.wait();
    }
}

/// Where programs are looked for: PATH, where Debian has its daemons, and what `tests/stack/get` unpacked.
pub fn search_path() -> OsString {
    let mut folders: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    folders.extend([PathBuf::from("/usr/sbin"), here(".cache/bin")]);
    env::join_paths(folders).expect("what was split can be joined")
}

/// The first program of this name, or a sentence on how to get it.
pub fn find(path: &OsStr, program: &str) -> Result<PathBuf, String> {
    env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file()).ok_or_else(|| {
        format!("{program} is missing, which these tests need: run tests/stack/get, or apt-get install {program}")
    })
}

/// An empty folder below target/, which nobody else uses.
pub fn new_folder() -> io::Result<PathBuf> {
    let folder = tempfile::Builder::new().prefix("stack-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    Ok(folder.keep())
}

/// A file of `tests/stack`.
pub fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack").join(file)
}
