//! Runs the real binary as its users do, with a hard end: an agent that hangs is a failed test, not a hung one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// How the agent is called.
#[derive(Clone, Debug)]
pub struct Call {
    /// Arguments, the verb first.
    pub arguments: Vec<String>,
    /// Environment variables on top of the lab's own.
    pub environment: BTreeMap<String, String>,
    /// Where it runs.
    pub folder: PathBuf,
    /// How many files it may have open.
    pub open_files: Option<u32>,
    /// Whether it runs without the privileges of root.
    pub unprivileged: bool,
    /// When it is killed.
    pub deadline: Duration,
}

/// What came of a call.
#[derive(Debug)]
pub struct Ended {
    /// The exit status; absent when a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error output.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
    /// The most memory it held, in MiB, as far as it was seen.
    pub peak_mib: u64,
    /// Whether it had to be killed.
    pub killed: bool,
}

/// Calls the agent and waits for its end.
pub async fn call(call: &Call) -> Result<Ended, String> {
    let words = |error: std::io::Error| format!("the agent cannot be run: {error}");
    let began = Instant::now();
    let mut child = command(call)
        .current_dir(&call.folder)
        .env_remove("SSL_CERT_FILE")
        .env_remove("SSL_CERT_DIR")
        .envs(&call.environment)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(words)?;
    let status_file = child.id().map(|id| PathBuf::from(format!("/proc/{id}/status")));
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (mut peak_mib, mut killed) = (0, false);
    {
        let reading = async {
            let read_out = async {
                if let Some(out) = &mut out {
                    let _ = out.read_to_end(&mut stdout).await;
                }
            };
            let read_err = async {
                if let Some(err) = &mut err {
                    let _ = err.read_to_end(&mut stderr).await;
                }
            };
            tokio::join!(read_out, read_err);
        };
        let watching = async {
            loop {
                peak_mib = peak_mib.max(status_file.as_deref().and_then(peak).unwrap_or(0));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = reading => {}
            () = watching => {}
            () = tokio::time::sleep(call.deadline) => killed = true,
        }
    }
    if killed {
        child.kill().await.map_err(words)?;
    }
    let status = child.wait().await.map_err(words)?;
    Ok(Ended {
        status: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        took: began.elapsed(),
        peak_mib,
        killed,
    })
}

fn command(call: &Call) -> Command {
    let agent = env!("CARGO_BIN_EXE_agent");
    let mut command = match call.open_files {
        _ if call.unprivileged => {
            let mut command = Command::new("setpriv");
            command.args(["--bounding-set=-all", "--inh-caps=-all", "--"]).arg(agent);
            command
        }
        Some(limit) => {
            let mut command = Command::new("prlimit");
            command.arg(format!("--nofile={limit}:{limit}")).arg(agent);
            command
        }
        None => Command::new(agent),
    };
    command.args(&call.arguments);
    command
}

/// The high-water mark of the agent's memory, from `/proc/PID/status`. Until it is the agent there, the process still has
/// the memory of the one that started it.
fn peak(status: &Path) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    text.lines().next().filter(|name| name.strip_prefix("Name:").is_some_and(|name| name.trim() == "agent"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib.div_ceil(1024))
}
