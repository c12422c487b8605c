//! Wrong task files and settings: one mistake a file in `wrong/`, and beside it the exact words with which `agent check`
//! refuses it. Files named `settings-…` are settings, all others hold tasks.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::call::{agent, said, snapshot, words};
use crate::lab::certificates::authority;

#[tokio::test]
async fn every_wrong_file_is_refused_in_clear_words() {
    let folder = set_out();
    for name in files("toml") {
        let file = format!("{name}.toml");
        let call = if name.starts_with("settings-") { vec!["check", "--config", &file] } else { vec!["check", &file] };
        let ended = agent(folder.path(), &call).await;
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""), "{file}: {}", ended.stderr);
        snapshot("wrong", name, &ended.stderr);
    }
}

/// Words without a mistake to them are left over.
#[test]
fn every_message_has_its_file() {
    let left: Vec<_> = files("snap").difference(&files("toml")).cloned().collect();
    assert!(left.is_empty(), "no file for the snapshots {left:?}");
}

/// A probe refuses what `check` refuses, in the same words; but for Nagios, which looks elsewhere.
#[tokio::test]
async fn a_probe_sends_nothing_for_a_wrong_file() {
    let folder = set_out();
    for (name, arguments) in
        [("probe", &[][..]), ("probe-json", &["--format", "json"]), ("probe-nagios", &["--format", "nagios"])]
    {
        let ended = agent(folder.path(), &[&["probe", "--task", "unknown-key.toml"], arguments].concat()).await;
        snapshot("mistakes", name, &said(&ended, folder.path()));
    }
}

#[tokio::test]
async fn files_that_are_not_there() {
    snapshot("mistakes", "no-task-file", &words(&["probe", "--task", "nowhere.toml"]).await);
    snapshot("mistakes", "no-settings-file", &words(&["check", "--config", "nowhere.toml"]).await);
}

/// Settings, tasks that they list and tasks that are named are read together; every mistake of all is reported.
#[tokio::test]
async fn all_files_are_checked_together() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("the folder can be written");
    let task = "[[task]]\nname = \"shop\"\ntarget = \"https://shop.example.com/\"\n[task.http]\n";
    fs::create_dir(folder.path().join("tasks")).expect("the folder can be written");
    write("tasks/one.toml", task);
    write("two.toml", task);
    write("agent.toml", "[policy]\nallow = [\"everything\"]\n");
    let call = ["check", "--config", "agent.toml", "tasks/one.toml", "two.toml"];
    snapshot("mistakes", "checked-together", &said(&agent(folder.path(), &call).await, folder.path()));
    write("agent.toml", "");
    write("two.toml", &task.replace("\"shop\"", "\"other\""));
    snapshot("mistakes", "checked-and-fine", &said(&agent(folder.path(), &call).await, folder.path()));
}

fn wrong() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/wrong")
}

/// The wrong files with the files that they name, in a folder of their own.
fn set_out() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder for the test");
    for name in files("toml") {
        let file = format!("{name}.toml");
        fs::copy(wrong().join(&file), folder.path().join(&file)).expect("the folder can be written");
    }
    authority().write_files(folder.path()).expect("the folder can be written");
    fs::write(folder.path().join("words.txt"), "words\n").expect("the folder can be written");
    let shops = "# shops\nhttps://shop.example.com/\n\nshop.example.com\n";
    fs::write(folder.path().join("shops.txt"), shops).expect("the folder can be written");
    folder
}

/// The names in `wrong/` with this extension, without it.
fn files(extension: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(wrong()).expect("the folder of wrong files");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let name = |path: PathBuf| Some(path.file_stem()?.to_str()?.to_owned());
    paths.filter(|path| path.extension().is_some_and(|own| own == extension)).filter_map(name).collect()
}
