//! A network of one's own for cases that need routes or filters: the whole case plays inside it.
//!
//! Made and removed with `ip netns`, which needs root and iproute2; filters need iptables. Where they are missing the
//! case fails and says so.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// The argument with which the lab calls itself inside a namespace.
pub const INSIDE: &str = "--inside-namespace";

const NEEDS: &str = "this case needs a network namespace: run the tests as root, with Debian's iproute2 and iptables";

/// A network namespace with only a loopback interface, removed when dropped.
struct Namespace {
    name: String,
}

impl Namespace {
    fn new() -> Result<Self, String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("lab-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        command("ip", &["netns", "add", &name]).map_err(|error| format!("{NEEDS} ({error})"))?;
        let namespace = Self { name };
        command("ip", &["-n", &namespace.name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = command("ip", &["netns", "delete", &self.name]);
    }
}

/// Plays one case file in a namespace of its own.
pub fn play(case: &Path) -> Result<(), String> {
    let namespace = Namespace::new()?;
    let lab = std::env::current_exe().map_err(|error| error.to_string())?;
    let (lab, case) = (lab.display().to_string(), case.display().to_string());
    command("ip", &["netns", "exec", &namespace.name, &lab, INSIDE, &case]).map(drop)
}

/// Runs the commands of a case; this process is inside its namespace already.
pub fn set_up(commands: &[String]) -> Result<(), String> {
    for line in commands {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (program, arguments) = words.split_first().ok_or("an empty command")?;
        command(program, arguments).map_err(|error| format!("{NEEDS} ({error})"))?;
    }
    Ok(())
}

fn command(program: &str, arguments: &[&str]) -> Result<Output, String> {
    let output =
        Command::new(program).args(arguments).output().map_err(|error| format!("{program} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let text = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&text).trim().to_owned())
}
