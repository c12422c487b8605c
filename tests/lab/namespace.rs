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

/// The two ends of the way from a case's network to the one behind it, which forwards.
const NEAR: [&str; 2] = ["10.77.0.1/24", "fd77::1/64"];
const FAR: [&str; 2] = ["10.77.0.2/24", "fd77::2/64"];

/// What the network behind does: it forwards, says of every packet why it does not, and answers groups.
const SWITCHES: [(&str, &str); 5] = [
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv4/icmp_echo_ignore_broadcasts", "0"),
];

impl Namespace {
    /// Another namespace behind this one, as its default route.
    fn connect(&self, commands: &[String]) -> Result<Self, String> {
        let beyond = Self::new()?;
        let (near, far) = (self.name.as_str(), beyond.name.as_str());
        command("ip", &["-n", near, "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", far])?;
        for (namespace, end, addresses) in [(near, "near", NEAR), (far, "far", FAR)] {
            for address in addresses {
                let duplicates = if address.contains(':') { "nodad" } else { "noprefixroute" };
                command("ip", &["-n", namespace, "address", "add", address, "dev", end, duplicates])?;
            }
            command("ip", &["-n", namespace, "link", "set", end, "up"])?;
        }
        for (switch, value) in SWITCHES {
            let line = format!("echo {value} > /proc/sys/net/{switch}");
            command("ip", &["netns", "exec", far, "sh", "-c", &line])?;
        }
        command("ip", &["-n", far, "route", "add", "10.77.0.0/24", "dev", "far"])?;
        command("ip", &["-n", near, "route", "add", "10.77.0.0/24", "dev", "near"])?;
        command("ip", &["-n", near, "route", "add", "default", "via", "10.77.0.2"])?;
        command("ip", &["-n", near, "-6", "route", "add", "default", "via", "fd77::2"])?;
        for line in commands {
            let words = ["netns", "exec", far].into_iter().chain(line.split_whitespace());
            command("ip", &words.collect::<Vec<_>>())?;
        }
        Ok(beyond)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = command("ip", &["netns", "delete", &self.name]);
    }
}

/// Plays one case file in a namespace of its own; with one behind it that these commands set up, where there are any.
pub fn play(case: &Path, beyond: Option<&[String]>) -> Result<(), String> {
    let namespace = Namespace::new()?;
    let _beyond = beyond.map(|commands| namespace.connect(commands)).transpose()?;
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

/// Lets every group of this process's network open unprivileged ICMP sockets.
pub fn allow_icmp_sockets() -> Result<(), String> {
    std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647").map_err(|error| format!("{NEEDS} ({error})"))
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
