//! Every case file is a test: a scripted peer misbehaves in one way, and the real binary must give the one code.
//!
//! `tests/cases/<protocol>/<code>-<slug>.toml` are failures (and statuses that are the code), `up-<slug>.toml` are
//! successes, `wrong-<slug>.toml` are tasks that must be refused when they are read. `tests/lab` has the peers. Run
//! some with `cargo test --test cases -- http::611`.

mod lab;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lab::harness::{self, Options, Test};
use lab::stage::{self, CaseFile};
use lab::{checks, files_v1, namespace};

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    let mut arguments = std::env::args().skip(1);
    let ended = match arguments.next() {
        Some(argument) if argument == namespace::INSIDE => {
            let path = PathBuf::from(arguments.next().unwrap_or_default());
            runtime.block_on(play_inside(&path))
        }
        Some(argument) if argument == files_v1::program::SERVE => {
            let path = PathBuf::from(arguments.next().unwrap_or_default());
            match runtime.block_on(files_v1::program::serve(&path)) {
                Ok(()) => ExitCode::SUCCESS,
                Err(why) => {
                    harness::say(&why);
                    ExitCode::from(2)
                }
            }
        }
        first => match Options::read(first.into_iter().chain(arguments)) {
            Ok(options) => runtime.block_on(harness::run(tests(), &options)),
            Err(error) => {
                harness::say(&error);
                ExitCode::from(2)
            }
        },
    };
    // Peers that hold still hold; nobody waits for them.
    runtime.shutdown_background();
    ended
}

/// This process was started inside the namespace of one case.
async fn play_inside(path: &Path) -> ExitCode {
    let played = match CaseFile::new(path) {
        Some(file) => stage::play_here(&file).await,
        None => Err(format!("{} is no case file", path.display())),
    };
    if let Err(why) = &played {
        harness::say(why);
    }
    ExitCode::from(u8::from(played.is_err()))
}

fn tests() -> Vec<Test> {
    let files = match case_files() {
        Ok(files) => files,
        Err(error) => return vec![Test::quick("cases", move || Err(error))],
    };
    let mut tests = checks::tests(&files);
    tests.extend(files.into_iter().map(|file| {
        Test::timed(format!("{}::{}", file.protocol, file.slug), move || {
            let file = file.clone();
            async move { stage::play(&file).await }
        })
    }));
    tests
}

/// All case files, in order of their names.
fn case_files() -> Result<Vec<CaseFile>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut paths = Vec::new();
    for protocol in entries(&folder)? {
        if protocol.is_dir() {
            paths.extend(entries(&protocol)?);
        }
    }
    paths.sort();
    let mut cases = Vec::new();
    for file in paths.iter().filter_map(|path| CaseFile::new(path)) {
        cases.extend(file.cases()?);
    }
    Ok(cases)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let words = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::read_dir(folder).map_err(words)?.map(|entry| entry.map(|entry| entry.path()).map_err(words)).collect()
}
