//! Finds, runs and reports the tests in the manner of `cargo test`: one test a case file, and those of the lab.

use std::future::Future;
use std::io::Write as _;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::stalls::Stalls;

/// How often a test is played again because of stalls.
const MOST_STALLS: u32 = 2;

type Run = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// One test.
pub struct Test {
    /// The name, as filters see it.
    pub name: String,
    run: Run,
    again: Option<Box<dyn Fn() -> Run + Send>>,
}

impl Test {
    /// A test that is a future.
    pub fn new(name: impl Into<String>, run: impl Future<Output = Result<(), String>> + Send + 'static) -> Self {
        Self { name: name.into(), run: Box::pin(run), again: None }
    }

    /// A test with timers, which is played again if the machine stood still while it failed.
    pub fn timed<F>(name: impl Into<String>, play: impl Fn() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let again: Box<dyn Fn() -> Run + Send> = Box::new(move || Box::pin(play()));
        Self { name: name.into(), run: again(), again: Some(again) }
    }

    /// Plays it; the failures that a stall may have made are said and not counted.
    async fn play(self, stalls: &Stalls) -> Result<(), String> {
        let mut run = self.run;
        for _ in 0..MOST_STALLS {
            let began = Instant::now();
            let ended = attempt(run).await;
            let Err(why) = &ended else { return ended };
            let (Some(again), Some(stall)) = (&self.again, stalls.longest_since(began)) else { return ended };
            say(&format!(
                "test {} ... again: the machine stood still for {stall:.0?} while it failed:\n{why}",
                self.name
            ));
            run = again();
        }
        attempt(run).await
    }

    /// A test that needs no waiting.
    pub fn quick(name: impl Into<String>, run: impl FnOnce() -> Result<(), String> + Send + 'static) -> Self {
        Self::new(name, async move { run() })
    }
}

/// The arguments of `cargo test -- …` that mean something here.
#[derive(Debug)]
pub struct Options {
    filters: Vec<String>,
    skip: Vec<String>,
    exact: bool,
    list: bool,
    threads: usize,
}

impl Options {
    /// Reads the arguments; unknown flags are an error, as `cargo test` has it.
    pub fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options =
            Self { filters: Vec::new(), skip: Vec::new(), exact: false, list: false, threads: default_threads() };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let (flag, value) = match argument.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), Some(value.to_owned())),
                _ => (argument, None),
            };
            let mut value =
                |flag: &str| value.clone().or_else(|| arguments.next()).ok_or(format!("{flag} wants a value"));
            match flag.as_str() {
                "--exact" => options.exact = true,
                "--list" => options.list = true,
                "--skip" => options.skip.push(value("--skip")?),
                "--test-threads" => {
                    let count = value("--test-threads")?;
                    options.threads = count.parse().map_err(|_| format!("`{count}` is no number of threads"))?;
                }
                "--nocapture" | "--no-capture" | "--quiet" | "-q" | "--show-output" => {}
                "--color" | "--format" => drop(value("--color")?),
                flag if flag.starts_with('-') => return Err(format!("unknown argument {flag}")),
                filter => options.filters.push(filter.to_owned()),
            }
        }
        Ok(options)
    }

    fn wants(&self, name: &str) -> bool {
        let fits = |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        (self.filters.is_empty() || self.filters.iter().any(fits)) && !self.skip.iter().any(fits)
    }
}

fn default_threads() -> usize {
    std::env::var("RUST_TEST_THREADS").ok().and_then(|count| count.parse().ok()).unwrap_or(6)
}

/// Runs the tests, several at a time, and reports them as they end.
pub async fn run(tests: Vec<Test>, options: &Options) -> ExitCode {
    let all = tests.len();
    let chosen: Vec<Test> = tests.into_iter().filter(|test| options.wants(&test.name)).collect();
    if options.list {
        for test in &chosen {
            say(&format!("{}: test", test.name));
        }
        return ExitCode::SUCCESS;
    }
    let count = chosen.len();
    say(&format!("\nrunning {count} test{}", if count == 1 { "" } else { "s" }));
    let began = Instant::now();
    let places = Arc::new(Semaphore::new(options.threads.max(1)));
    let stalls = Stalls::watch();
    let mut running = JoinSet::new();
    for test in chosen {
        let places = Arc::clone(&places);
        let stalls = stalls.clone();
        running.spawn(async move {
            let _place = places.acquire_owned().await;
            (test.name.clone(), test.play(&stalls).await)
        });
    }
    let mut failures = Vec::new();
    while let Some(ended) = running.join_next().await {
        let (name, ended) = ended.unwrap_or_else(|error| ("?".to_owned(), Err(error.to_string())));
        say(&format!("test {name} ... {}", if ended.is_ok() { "ok" } else { "FAILED" }));
        if let Err(why) = ended {
            failures.push((name, why));
        }
    }
    failures.sort();
    report(&failures);
    let verdict = if failures.is_empty() { "ok" } else { "FAILED" };
    say(&format!(
        "\ntest result: {verdict}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        count - failures.len(),
        failures.len(),
        all - count,
        began.elapsed().as_secs_f64()
    ));
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

/// One playing in a task of its own, so that a panic is the failure of one test.
async fn attempt(run: Run) -> Result<(), String> {
    tokio::spawn(run).await.unwrap_or_else(|panic| Err(format!("  panicked: {panic}")))
}

fn report(failures: &[(String, String)]) {
    if failures.is_empty() {
        return;
    }
    say("\nfailures:");
    for (name, why) in failures {
        say(&format!("\n---- {name} ----\n{why}"));
    }
    say("\nfailures:");
    for (name, _) in failures {
        say(&format!("    {name}"));
    }
}

/// Prints a line; one that nobody reads is no reason to fail.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
