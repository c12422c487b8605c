//! The command line: arguments in, words and exit statuses out.
//!
//! Results go to standard output, everything else to standard error. The exit statuses: 0 all is well, 1 a run
//! failed, 2 usage, task file or settings are wrong and nothing was sent, 3 the agent itself failed.

mod check;
mod codes;
mod conversation;
mod daemon;
mod history;
mod import;
mod nagios;
mod probe;
mod progress;
mod replay;
mod text;
mod top;

use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::reader::{self, Problems};
use crate::settings::Settings;
use crate::store::Reader;

/// Probes services and says which documented code a failure has, with the evidence beside it.
#[derive(Debug, Parser)]
#[command(name = "agent", version, about, long_about = None, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run tasks once, now, and print each result as it ends
    Probe(Probe),
    /// Run all tasks at their times, until a signal ends it
    Daemon(Daemon),
    /// Read task files and settings, start nothing, and report every mistake with its place
    Check(Check),
    /// Say which error codes were the most frequent, for each combination of dimensions
    Top(Top),
    /// List past runs, the newest first
    History(History),
    /// Print the task file that made a stored run
    Replay(Replay),
    /// List the catalogue of codes, or the faults with the code each book gives them
    Codes(Codes),
    /// Say what a code means, what triggers it and what to do
    Explain(Explain),
    /// Turn the modules of a blackbox exporter into tasks
    Import(Import),
}

#[derive(Args, Debug)]
#[command(override_usage = "agent probe [OPTIONS] <URL>\n       agent probe [OPTIONS] --task <FILE>")]
struct Probe {
    /// A URL to probe without a task file.
    #[arg(
        required_unless_present = "task",
        conflicts_with = "task",
        help = "A URL to probe without a task file: http://, https://, tcp://host:port, udp://host:port, ping://, \
                dns://server/name?type=A, smtp://, smtps://, pop3://, pop3s://, ftp://, ftps://"
    )]
    url: Option<String>,
    /// The task file
    #[arg(long, value_name = "FILE")]
    task: Option<PathBuf>,
    /// Run only the task of this name; may be given again
    #[arg(long, value_name = "NAME", requires = "task")]
    name: Vec<String>,
    /// How results are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Settings of this host: address policy, resolver, source addresses
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Refuse internal addresses, whatever the settings say
    #[arg(long, conflicts_with = "allow_internal")]
    deny_internal: bool,
    /// Allow internal addresses where the settings' `internal` would not
    #[arg(long)]
    allow_internal: bool,
    /// Show the conversation on standard error as it happens
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Args, Debug)]
struct Daemon {
    /// Settings of this host, which name the task files
    #[arg(long, value_name = "FILE", default_value = "config/agent.toml")]
    config: PathBuf,
}

#[derive(Args, Debug)]
#[command(override_usage = "agent check <TASKFILE>...\n       agent check --config <FILE> [TASKFILE]...")]
struct Check {
    /// Settings of the host
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Task files
    #[arg(value_name = "TASKFILE", required_unless_present = "config")]
    files: Vec<PathBuf>,
}

/// Which store is asked.
#[derive(Args, Debug)]
struct Asked {
    /// Settings of the host, which say where the store is
    #[arg(long, value_name = "FILE", default_value = "config/agent.toml", conflicts_with = "store")]
    config: PathBuf,
    /// The store itself
    #[arg(long, value_name = "PATH")]
    store: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Top {
    /// One list for each combination of these: task, target, protocol, book, host, address (of the peer), or the key of a
    /// label
    #[arg(long, value_name = "DIM", value_delimiter = ',')]
    by: Vec<String>,
    /// How far back, as in 90m, 24h or 30d
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = reader::duration)]
    since: Duration,
    /// How many codes each list has, at most
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// How they are printed
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
struct History {
    /// Only the runs of this task
    task: Option<String>,
    /// How far back, as in 90m, 24h or 30d; as far as the store does, if it is not given
    #[arg(long, value_name = "DURATION", value_parser = reader::duration)]
    since: Option<Duration>,
    /// Only those that failed
    #[arg(long)]
    failed: bool,
    /// How many, at most
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// How they are printed
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
struct Replay {
    /// The run, as results and `agent history` name it
    #[arg(value_name = "RUN_ID")]
    id: String,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args, Debug)]
struct Codes {
    /// Only this book, or this protocol of it, as in cloudmonitor/http
    #[arg(value_name = "BOOK[/PROTOCOL]")]
    book: Option<String>,
    /// List the closed list of faults instead, with the code each protocol gives them
    #[arg(long)]
    faults: bool,
    /// How the list is printed
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    format: ListFormat,
}

#[derive(Args, Debug)]
struct Explain {
    /// A number, as in 611, -61 or cloudmonitor/http/611
    #[arg(value_name = "[BOOK[/PROTOCOL]/]CODE", allow_hyphen_values = true)]
    code: String,
}

#[derive(Args, Debug)]
struct Import {
    /// The configuration of the blackbox exporter, a YAML file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the task file goes, instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object a line
    Json,
    /// One line and performance data, for Nagios and its kin
    Nagios,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum ListFormat {
    /// For people
    Text,
    /// For machines
    Json,
}

/// How a call ends.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Status {
    Ok = 0,
    Failed = 1,
    Usage = 2,
    Error = 3,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let status = match arguments.verb {
        Verb::Probe(call) => probe::run(&call),
        Verb::Daemon(call) => daemon::run(&call),
        Verb::Check(call) => check::run(&call),
        Verb::Top(call) => top::run(&call),
        Verb::History(call) => history::run(&call),
        Verb::Replay(call) => replay::run(&call),
        Verb::Codes(call) => codes::list(&call),
        Verb::Explain(call) => codes::explain(&call),
        Verb::Import(call) => import::run(&call),
    };
    let lost = LOST.load(Ordering::Relaxed);
    ExitCode::from(if lost { Status::Error } else { status } as u8)
}

/// Whether a result could not be written where it belongs.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes to standard output. A reader that has gone away ends the call in silence, as with any tool in a pipe; any
/// other trouble is the agent's own error, since a result is lost.
fn print(text: &str) {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        complain(&format!("error: standard output: {error}\n"));
        LOST.store(true, Ordering::Relaxed);
    }
}

/// Writes to standard error; when that fails there is nobody left to tell.
fn complain(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The store that a call asks.
fn store(asked: &Asked) -> Result<Reader, String> {
    let path = match &asked.store {
        Some(path) => path.clone(),
        None => Settings::read_file(&asked.config).map_err(|problems| problems.to_string())?.daemon.store_path(),
    };
    Reader::open(&path).map_err(|error| format!("error: {error}\n"))
}

fn settings(path: Option<&PathBuf>) -> Result<Settings, Problems> {
    path.map_or_else(|| Ok(Settings::default()), |path| Settings::read_file(path))
}

/// Whether to use colours: on a terminal, and not where `NO_COLOR` asks for none (no-color.org).
fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
