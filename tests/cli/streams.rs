//! Where the words go: closed, broken and full outputs, terminals and the lack of one.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, Stdio};

use nix::pty::openpty;

use crate::lab::agent::Ended;

/// The escape character, with which every colour begins.
const ESCAPE: char = '\u{1b}';
/// A probe that fails without anything sent.
const DENIED: [&str; 3] = ["probe", "tcp://127.0.0.1:9", "--deny-internal"];

#[test]
fn a_closed_output_is_no_panic() {
    let agent = env!("CARGO_BIN_EXE_agent");
    for (redirection, status) in [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0)] {
        let mut shell = Command::new("sh");
        let ended = shell.args(["-c", &format!("exec \"$0\" codes {redirection}"), agent]).output().expect("a shell");
        let stderr = String::from_utf8_lossy(&ended.stderr);
        assert_eq!((ended.status.code(), stderr.as_ref()), (Some(status), ""), "{redirection}");
    }
}

/// `agent codes | head` ends in silence.
#[test]
fn a_broken_pipe_is_no_trouble() {
    for arguments in [&["codes"][..], &["explain", "611"], &["--help"], &DENIED] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended = run(arguments, writer.into(), &[]);
        let status = i32::from(arguments[0] == "probe");
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(status), ""), "{arguments:?}");
    }
}

/// A result that cannot be written is lost, which is the agent's own error.
#[test]
fn a_full_disk_is_the_agents_error() {
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let ended = run(&["codes"], full.into(), &[]);
    assert_eq!(ended.status, Some(3));
    assert_eq!(ended.stderr, "error: standard output: No space left on device (os error 28)\n");
}

#[test]
fn colours_are_for_terminals() {
    assert!(on_terminal(&DENIED, &[]).contains(ESCAPE), "a terminal has colours");
    assert!(on_terminal(&DENIED, &[("NO_COLOR", "")]).contains(ESCAPE), "an empty NO_COLOR says nothing");
    assert!(!on_terminal(&DENIED, &[("NO_COLOR", "1")]).contains(ESCAPE), "NO_COLOR is heeded");
    assert!(!on_terminal(&[&DENIED[..], &["--format", "json"]].concat(), &[]).contains(ESCAPE));
    assert!(!on_terminal(&[&DENIED[..], &["--format", "nagios"]].concat(), &[]).contains(ESCAPE));
    let piped = run(&DENIED, Stdio::piped(), &[]);
    assert!(piped.stdout.starts_with("FAILED") && !piped.stdout.contains(ESCAPE), "{}", piped.stdout);
}

/// Colours around the words are all that a terminal adds.
#[test]
fn a_terminal_sees_the_same_words() {
    let shown = on_terminal(&DENIED, &[]);
    let head = shown.lines().next().unwrap_or_default();
    assert_eq!(head, "\u{1b}[1m\u{1b}[31mFAILED\u{1b}[0m  \u{1b}[1mcommand-line\u{1b}[0m  tcp://127.0.0.1:9");
    assert!(!shown.lines().skip(1).any(|line| line.contains(ESCAPE)), "{shown}");
}

/// Calls the agent with a given standard output.
fn run(arguments: &[&str], stdout: Stdio, environment: &[(&str, &str)]) -> Ended {
    let began = std::time::Instant::now();
    let ended = Command::new(env!("CARGO_BIN_EXE_agent"))
        .args(arguments)
        .env_remove("NO_COLOR")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .expect("the agent can be run");
    Ended {
        status: ended.status.code(),
        stdout: String::from_utf8_lossy(&ended.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
        took: began.elapsed(),
        peak_mib: 0,
        killed: false,
    }
}

/// What the agent shows on a terminal.
fn on_terminal(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let terminal = openpty(None, None).expect("a pseudo-terminal");
    let ended = run(arguments, terminal.slave.into(), environment);
    assert_eq!(ended.stderr, "");
    let mut shown = Vec::new();
    // The kernel ends a terminal without other side with EIO.
    let _ = File::from(terminal.master).read_to_end(&mut shown);
    String::from_utf8_lossy(&shown).replace("\r\n", "\n")
}
