//! One call of `agent probe`, and what its one line of JSON says.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

/// An agent that takes longer hangs, and is killed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the agent said about a task.
pub struct Run {
    /// The task file, for messages.
    task: String,
    /// The result as printed.
    printed: String,
    /// The result as JSON.
    result: Value,
    status: Option<i32>,
}

/// Probes a target with the lines of a task that stand below its name and target: `[task.http]` and so on.
pub fn probe(target: &str, lines: &str) -> Run {
    probe_in(&[], target, lines)
}

/// The same, with variables in the environment of the agent.
pub fn probe_in(environment: &[(&str, String)], target: &str, lines: &str) -> Run {
    let task = format!("[[task]]\nname = \"real\"\ntarget = {target:?}\n{lines}\n");
    let folder = tempfile::tempdir().expect("a folder for the task");
    let path = |name: &str| folder.path().join(name);
    let create = |name: &str| File::create(path(name)).expect("a file for what the agent says");
    fs::write(path("task.toml"), &task).expect("the task can be written");

    let mut agent = Command::new(env!("CARGO_BIN_EXE_agent"))
        .args(["probe", "--format", "json", "--task"])
        .arg(path("task.toml"))
        .current_dir(folder.path())
        .envs(environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(create("stdout"))
        .stderr(create("stderr"))
        .spawn()
        .expect("the agent can be run");
    let end = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = agent.try_wait().expect("the agent is our child") {
            break status;
        }
        if Instant::now() > end {
            let _ = agent.kill();
            panic!("the agent hangs on\n{task}");
        }
        thread::sleep(Duration::from_millis(2));
    };

    let read = |name: &str| fs::read_to_string(path(name)).expect("the agent speaks UTF-8");
    let printed = read("stdout");
    let result = serde_json::from_str(&printed)
        .unwrap_or_else(|error| panic!("{error} in {printed:?}\n{}\nsaid of\n{task}", read("stderr")));
    Run { task, printed, result, status: status.code() }
}

impl Run {
    /// The probe succeeded with this code: no fault, exit status 0.
    #[track_caller]
    pub fn succeeded(self, code: i64) -> Self {
        self.says(&[("ok", true.into()), ("outcome", "ok".into()), ("code", code.into()), ("fault", Value::Null)])
            .exits(0)
    }

    /// The probe failed with this code and fault: exit status 1.
    #[track_caller]
    pub fn failed(self, code: i64, fault: &str) -> Self {
        self.says(&[("ok", false.into()), ("outcome", "failed".into()), ("code", code.into()), ("fault", fault.into())])
            .exits(1)
    }

    /// Exactly these phases were begun.
    #[track_caller]
    pub fn with_phases(self, expected: &[&str]) -> Self {
        let phases = self.result["phases"].as_object();
        let begun: BTreeSet<&str> = phases.into_iter().flat_map(Map::keys).map(String::as_str).collect();
        assert_eq!(begun, expected.iter().copied().collect(), "the phases of {self}");
        self
    }

    /// The result holds this value at a JSON pointer, such as `/evidence/tls/version`.
    #[track_caller]
    pub fn with(self, pointer: &str, value: impl Into<Value>) -> Self {
        assert_eq!(self.at(pointer), value.into(), "{pointer} of {self}");
        self
    }

    /// The value at a JSON pointer, null where there is none.
    pub fn at(&self, pointer: &str) -> Value {
        self.result.pointer(pointer).cloned().unwrap_or_default()
    }

    /// How many entries there are at a JSON pointer.
    pub fn count(&self, pointer: &str) -> usize {
        self.at(pointer).as_array().map_or(0, Vec::len)
    }

    /// The result as printed, where a secret must not show up.
    pub fn printed(&self) -> &str {
        &self.printed
    }

    #[track_caller]
    fn says(self, expected: &[(&str, Value)]) -> Self {
        for (key, value) in expected {
            assert_eq!(&self.result[*key], value, "{key} of {self}");
        }
        self
    }

    #[track_caller]
    fn exits(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "the exit status of {self}");
        self
    }
}

impl fmt::Display for Run {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\nsaid of\n{}", self.printed.trim_end(), self.task)
    }
}
