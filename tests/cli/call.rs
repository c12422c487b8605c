//! Calls the agent and writes down what it said, with everything that changes from run to run replaced.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use regex::{Captures, Regex};

use crate::lab::agent::{self, Call, Ended};
use crate::lab::case::task_text;
use crate::lab::scene::Scene;

/// Compares a text with the snapshot of this name in a folder of `tests/cli`.
pub fn snapshot(folder: &str, name: impl Into<String>, said: &str) {
    let mut settings = insta::Settings::new();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.into(), said));
}

/// Calls the agent in a folder.
pub async fn agent(folder: &Path, arguments: &[&str]) -> Ended {
    let call = Call {
        arguments: arguments.iter().map(ToString::to_string).collect(),
        environment: BTreeMap::new(),
        folder: folder.to_owned(),
        open_files: None,
        unprivileged: false,
        deadline: Duration::from_secs(60),
    };
    let ended = agent::call(&call).await.expect("the agent can be run");
    assert!(!ended.killed, "{arguments:?} hangs:\n{}", said(&ended, folder));
    ended
}

/// What a call said that needs no peers.
pub async fn words(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder for the test");
    said(&agent(folder.path(), arguments).await, folder.path())
}

/// The scene of a text with peers and tasks, as `tests/cases/README.md` has it; the tasks are in `task.toml`.
pub async fn scene(text: &str) -> Scene {
    let scene = Scene::open(&format!("expect = {{}}\n{text}")).await.expect("a scene");
    std::fs::write(scene.folder.path().join("task.toml"), task_text(&scene.text)).expect("the folder can be written");
    scene
}

/// What `agent probe --task task.toml` says in a scene.
pub async fn probed(scene: &Scene, arguments: &[&str]) -> String {
    let folder = scene.folder.path();
    let ended = agent(folder, &[&["probe", "--task", "task.toml"], arguments].concat()).await;
    let troubles = scene.peers.troubles();
    assert!(troubles.is_empty(), "the peers met trouble: {troubles:?}");
    said(&ended, folder)
}

/// Status, standard output and standard error on one sheet.
pub fn said(ended: &Ended, folder: &Path) -> String {
    let status = ended.status.map_or_else(|| "none: a signal".to_owned(), |status| status.to_string());
    let sheet = format!("exit status {status}\n─── stdout\n{}─── stderr\n{}", ended.stdout, ended.stderr);
    without_chance(&sheet.replace(&folder.display().to_string(), "FOLDER"))
}

/// The text without what chance and the clock decide.
fn without_chance(text: &str) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
        let rows = [
            (r"\b(127\.0\.0\.1|localhost|\[::1\]):\d+", "${1}:PORT"),
            (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "DATE"),
            (r#""id":"[0-9A-Z]{26}""#, r#""id":"ID""#),
            (
                r#""(duration_ms|resolve|connect|tls|send|wait|receive|rtt|min|avg|max|stddev|jitter)":[\d.]+"#,
                r#""${1}":MS"#,
            ),
            (r"\btime=[\d.]+s", "time=TIMEs"),
            (r"\b(resolve|connect|tls|send|wait|receive|rtt|rta)=[\d.]+ms", "${1}=TIMEms"),
            (r"[\d.]+ (MiB|B) a second\b", "SPEED"),
            (r"\b(took|after|min|avg|max|stddev|jitter) [\d.]+ ms", "${1} TIME"),
            (r"\b\d+ (sent|acknowledged|received)\b", "N ${1}"),
            (r#""(sent|acked|received)":\d+"#, r#""${1}":N"#),
            (r"\bagent/\d+\.\d+\.\d+", "agent/VERSION"),
        ];
        rows.map(|(pattern, word)| (Regex::new(pattern).expect("a literal expression"), word)).into()
    });
    static BAR: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?m)^(  \w+ +)\d+\.\d{3} ms( +█+)?$").expect("a literal expression"));
    let text = BAR.replace_all(text, |found: &Captures<'_>| {
        format!("{}TIME{}", found[1].trim_end().to_owned() + " ", if found.get(2).is_some() { " BAR" } else { "" })
    });
    PATTERNS.iter().fold(text.into_owned(), |text, (pattern, word)| pattern.replace_all(&text, *word).into_owned())
}
