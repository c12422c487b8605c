//! Servers in containers, which `docker-compose.yml` describes and others bring up.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// The compose command of this machine: `docker compose`, or `docker-compose` of old.
pub struct Compose {
    words: &'static [&'static str],
}

impl Compose {
    /// Finds out which of the two this machine has.
    pub fn find() -> Result<Self, String> {
        let known: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];
        let words = known.into_iter().find(|words| run(&[words, &["version"][..]].concat()).is_ok());
        let words =
            words.ok_or("STACK=compose needs `docker compose` or `docker-compose`: apt-get install docker-compose")?;
        Ok(Self { words })
    }

    /// The port of this machine that leads to a port inside a container.
    pub fn published_port(&self, service: &str, inside: u16) -> Result<u16, String> {
        let address = self.run(&["port", service, &inside.to_string()])?;
        let address: SocketAddr =
            address.parse().map_err(|_| format!("port {inside} of {service} is at {address:?}"))?;
        Ok(address.port())
    }

    /// Copies what is in a container.
    pub fn copy(&self, service: &str, from: &str, to: &Path) -> Result<(), String> {
        let container = self.run(&["ps", "-q", service])?;
        run(&["docker", "cp", &format!("{container}:{from}"), &to.display().to_string()]).map(drop)
    }

    fn run(&self, arguments: &[&str]) -> Result<String, String> {
        run(&[self.words, arguments].concat())
            .map_err(|error| format!("{error}\nbring the containers up first, as the head of docker-compose.yml says"))
    }
}

/// Runs a command at the root of the project and hands over what it printed.
fn run(words: &[&str]) -> Result<String, String> {
    let line = words.join(" ");
    let output = Command::new(words[0])
        .args(&words[1..])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .map_err(|error| format!("`{line}` cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{line}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
