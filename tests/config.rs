//! The files that ship: settings that say every default, and tasks that show every key. Nothing is contacted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use agent::config::Config;
use agent::reader::{Problems, Source};
use agent::settings::Settings;
use agent::task;
use probes::codes::Protocol;
use probes::spec::Spec;
use regex::Regex;

const SETTINGS: &str = "config/agent.toml";

/// The tasks that the settings as they ship have scheduled, and the modules for `/probe`.
const TASKS: [&str; 2] = ["config/tasks/self.toml", "config/tasks/modules.toml"];

/// The file of tasks that ships for every protocol to show every key.
fn examples() -> Vec<String> {
    Spec::PROTOCOLS.iter().map(|protocol| format!("config/examples/{}.toml", protocol.name())).collect()
}

#[test]
fn the_settings_that_ship_are_the_defaults() {
    let shipped = Settings::read_file(&path(SETTINGS)).unwrap_or_else(|problems| panic!("{problems}"));
    let defaults = Settings::read(source(SETTINGS, "")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(format!("{shipped:#?}"), format!("{defaults:#?}"));
    assert_eq!(defaults.tasks, [path("config/tasks/*.toml")]);
}

#[test]
fn everything_that_ships_is_checked_and_well() {
    let rows: [(Vec<&str>, Vec<String>); 2] =
        [(vec!["--config", SETTINGS], TASKS.map(str::to_owned).to_vec()), (Vec::new(), examples())];
    for (arguments, files) in rows {
        let named = if arguments.is_empty() { files.as_slice() } else { &[] };
        let ended = Command::new(env!("CARGO_BIN_EXE_agent"))
            .arg("check")
            .args(&arguments)
            .args(named)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("the agent can be run");
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.success() && stderr.is_empty(), "{stderr}");
        let tasks: usize = files.iter().map(|file| text(file).matches("\n[[task]]\n").count()).sum();
        assert_eq!(String::from_utf8_lossy(&ended.stdout), format!("{tasks} tasks ok\n"));
    }
}

/// What is scheduled on a fresh machine needs no network, and shows something within seconds; Prometheus files written for
/// `blackbox_exporter` find its modules.
#[test]
fn what_is_scheduled_watches_the_agent_itself() {
    let config = Config::read(Some(&path(SETTINGS)), &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let (modules, tasks): (Vec<_>, Vec<_>) = config.tasks.iter().partition(|task| task.probes.is_empty());
    let names: Vec<_> = modules.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["http_2xx", "http_post_2xx", "tcp_connect", "icmp", "dns"]);
    for task in &tasks {
        assert!(task.interval <= Duration::from_secs(5), "{} is too rare to be seen soon", task.name);
        for target in task.probes.iter().map(|probe| &probe.identity.target) {
            assert!(target.contains("127.0.0.1"), "{target} is not this machine");
        }
    }
    assert!(!tasks.is_empty());
}

/// What is commented out would be right too, paragraph by paragraph; only the files and variables are not there.
#[test]
fn settings_that_are_commented_out_are_right() {
    let absent = Regex::new("cannot be read|is not set|there is no PKCS#11 module").expect("a literal expression");
    for file in examples().into_iter().chain([SETTINGS.to_owned()]) {
        for (line, text) in with_a_paragraph_more(&text(&file)) {
            let source = source(&file, &text);
            let read = match file.as_str() {
                SETTINGS => Settings::read(source).map(drop),
                _ => task::read(source, &Settings::default()).map(drop),
            };
            let Err(Problems(problems)) = read else { continue };
            let wrong: Vec<_> =
                problems.iter().map(ToString::to_string).filter(|text| !absent.is_match(text)).collect();
            assert!(wrong.is_empty(), "with the settings at line {line} of {file}:\n{}", wrong.join("\n"));
        }
    }
}

#[test]
fn every_setting_is_shown() {
    let shown = text(SETTINGS);
    let mut missing = Vec::new();
    for section in keys_of("unknown_key = 1\n", read_settings) {
        let body = section_of(&shown, &format!("[{section}]"));
        // Labels are the host's own words, all others are a closed list.
        let keys = match section.as_str() {
            "labels" => vec!["region".to_owned(), "isp".to_owned(), "host".to_owned()],
            _ => keys_of(&format!("[{section}]\nunknown_key = 1\n"), read_settings),
        };
        missing.extend(keys.into_iter().filter(|key| !shows(body, key)).map(|key| format!("{section}.{key}")));
    }
    assert!(missing.is_empty(), "{SETTINGS} does not show {missing:?}");
}

#[test]
fn every_key_of_a_task_is_shown() {
    let shown: String = examples().iter().map(|file| text(file)).collect();
    let mut missing = Vec::new();
    let protocols = Spec::PROTOCOLS.iter().map(|protocol| format!("task.{}", protocol.name()));
    for section in protocols.chain(["task", "task.tls", "task.resolver", "task.api.step"].map(str::to_owned)) {
        let sections: String = sections_of(&shown, &section).collect();
        let task = "[[task]]\nname = \"name\"\ntarget = \"localhost:1\"\n";
        let text = match section.as_str() {
            "task" => format!("{task}unknown_key = 1\n[task.tcp]\n"),
            "task.api.step" => format!("{task}[task.api]\n[[task.api.step]]\nunknown_key = 1\n"),
            "task.api" => format!("{task}[task.api]\nunknown_key = 1\n[[task.api.step]]\n"),
            "task.tls" | "task.resolver" => format!("{task}[task.tcp]\n[{section}]\nunknown_key = 1\n"),
            _ => format!("{task}[{section}]\nunknown_key = 1\n"),
        };
        let keys = keys_of(&text, |text| task::read(source("t", text), &Settings::default()).map(drop));
        // Tables of a task are sections, and those of other protocols have files of their own.
        let table = |key: &String| ["task", "task.api", "task.api.step"].contains(&section.as_str()) && is_table(key);
        missing.extend(keys.into_iter().filter(|key| !table(key) && !shows(&sections, key)));
    }
    assert!(missing.is_empty(), "the tasks that ship do not show {missing:?}");
}

/// Whether a key of a task is a table.
fn is_table(key: &str) -> bool {
    let protocols = Protocol::ALL.map(Protocol::name);
    protocols.contains(&key) || ["tls", "resolver", "step"].contains(&key)
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn text(file: &str) -> String {
    fs::read_to_string(path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// A text that stands where the file stands.
fn source(file: &str, text: &str) -> Source {
    let folder = path(file).parent().map(Path::to_owned).unwrap_or_default();
    Source { name: file.to_owned(), folder, text: text.to_owned() }
}

fn read_settings(text: &str) -> Result<(), Problems> {
    Settings::read(source(SETTINGS, text)).map(drop)
}

/// The text once for each paragraph of settings that are commented out, with these settings and their line; what they
/// stand for otherwise makes way.
fn with_a_paragraph_more(text: &str) -> Vec<(usize, String)> {
    let setting = Regex::new(r"^#(\w+) = ").expect("a literal expression");
    let lines: Vec<&str> = text.lines().collect();
    let mut texts = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let length = lines[at..].iter().take_while(|line| setting.is_match(line)).count();
        if length > 0 {
            texts.push((at + 1, uncommented(&lines, at..at + length)));
        }
        at += length.max(1);
    }
    texts
}

fn uncommented(lines: &[&str], more: std::ops::Range<usize>) -> String {
    let key = |line: &str| line.trim_start_matches('#').split(" = ").next().unwrap_or_default().to_owned();
    let begin = lines[..more.start].iter().rposition(|line| line.starts_with('[')).unwrap_or(0);
    let end = lines[more.end..].iter().position(|line| line.starts_with('[')).map_or(lines.len(), |at| more.end + at);
    let new: Vec<String> = lines[more.clone()].iter().map(|line| key(line)).collect();
    let replaced = |index: usize| {
        let own = key(lines[index]);
        let target = |key: &str| key.starts_with("target");
        (begin..end).contains(&index) && (new.contains(&own) || (target(&own) && new.iter().any(|key| target(key))))
    };
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        let shown = if more.contains(&index) {
            &line[1..]
        } else if replaced(index) {
            ""
        } else {
            line
        };
        text.push_str(shown);
        text.push('\n');
    }
    text
}

/// The keys that the agent names when it meets one that it does not know.
fn keys_of(text: &str, read: impl Fn(&str) -> Result<(), Problems>) -> Vec<String> {
    let problems = read(text).expect_err("an unknown key is refused").to_string();
    let listed = problems.lines().find_map(|line| line.split_once("the keys are "));
    let (_, keys) = listed.unwrap_or_else(|| panic!("no list of keys in\n{problems}"));
    keys.split(", ").map(str::to_owned).collect()
}

fn section_of<'t>(text: &'t str, header: &str) -> &'t str {
    let begin = text.find(&format!("\n{header}\n")).unwrap_or_else(|| panic!("no {header} in {SETTINGS}"));
    let body = &text[begin + header.len() + 2..];
    &body[..body.find("\n[").unwrap_or(body.len())]
}

/// What stands below every `[section]` or `[[section]]` of this name.
fn sections_of<'t>(text: &'t str, section: &str) -> impl Iterator<Item = &'t str> {
    let headers = [format!("{section}]\n"), format!("{section}]]\n")];
    text.split("\n[").filter(move |part| {
        let part = part.trim_start_matches('[');
        headers.iter().any(|header| part.starts_with(header))
    })
}

/// Whether a key stands there, as it is or commented out, in a line of its own or in a step of a conversation.
fn shows(body: &str, key: &str) -> bool {
    Regex::new(&format!(r"(?m)^(?:#|  \{{ )?{key} = ")).is_ok_and(|line| line.is_match(body))
}
