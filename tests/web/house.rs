//! A door with a configuration behind it, and a client that says exactly what it is told to say.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use agent::config::Config;
use agent::metrics::{Metrics, Standing, StoreStanding};
use agent::run::Run;
use agent::store::{Limits, Store};
use agent::web::{App, Door, Reload};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a reload is to come to.
pub type Verdict = Arc<Mutex<Result<usize, String>>>;

/// An open door.
pub struct House {
    /// Where it is.
    pub address: SocketAddr,
    /// The folder of the configuration.
    pub folder: TempDir,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The running configuration.
    pub config: watch::Sender<Arc<Config>>,
    /// Whether the schedule runs.
    pub ready: watch::Sender<bool>,
    /// What the next reload is told.
    pub verdict: Verdict,
    /// Closes the door.
    pub stop: Option<oneshot::Sender<()>>,
    /// The results.
    pub store: Arc<Store>,
    pub runtime: Runtime,
    pub served: Option<tokio::task::JoinHandle<Result<(), String>>>,
}

/// One answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// A header field that is there.
    pub fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

impl House {
    /// Opens a door with these settings (below `[web]`, `[policy]` …) and these tasks.
    pub fn open(settings: &str, tasks: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let file = folder.path().join("agent.toml");
        let write = |path: &Path, text: &str| std::fs::write(path, text).expect("a file can be written");
        write(&file, &format!("[tasks]\nfiles = [\"tasks.toml\"]\n{settings}\n"));
        write(&folder.path().join("tasks.toml"), tasks);
        let config = Config::read(Some(&file), &[]).unwrap_or_else(|problems| panic!("{problems}"));
        Self::of(folder, config)
    }

    fn of(folder: TempDir, mut config: Config) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime can be started");
        config.settings.daemon.web.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let metrics = Arc::new(Metrics::default());
        metrics.configure(&config);
        let store = Arc::new(Store::open(&folder.path().join("agent.db"), Limits::default()).expect("a store opens"));
        let host = Arc::new(config.settings.host());
        let (config, config_seen) = watch::channel(Arc::new(config));
        let (ready, ready_seen) = watch::channel(true);
        let (reload, mut reloads) = mpsc::channel::<Reload>(1);
        let verdict: Verdict = Arc::new(Mutex::new(Ok(1)));
        let (_, host) = watch::channel(host);
        let app = App {
            config: config_seen,
            host,
            metrics: Arc::clone(&metrics),
            standing: Arc::new(|| Standing { store: Some(StoreStanding::default()), ..Standing::default() }),
            store: Some(store.reader()),
            reload,
            ready: ready_seen,
        };
        let told = Arc::clone(&verdict);
        runtime.spawn(async move {
            while let Some(answer) = reloads.recv().await {
                let _ = answer.send(told.lock().expect("no test panics with it").clone());
            }
        });
        let (stop, stopped) = oneshot::channel();
        let web = config.borrow().settings.daemon.web.clone();
        let door = runtime.block_on(Door::open(&web)).unwrap_or_else(|why| panic!("{why}"));
        let address = door.address();
        let stopping = async {
            let _ = stopped.await;
        };
        let served = Some(runtime.spawn(door.serve(app, stopping, Duration::from_secs(5))));
        Self { address, folder, metrics, config, ready, verdict, stop: Some(stop), store, runtime, served }
    }

    /// A GET without further fields.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// A request with further header lines.
    pub fn ask(&self, method: &str, path: &str, fields: &str) -> Answer {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{fields}\r\n", self.address);
        self.say(request.as_bytes())
    }

    /// Says something and hears the answer.
    pub fn say(&self, words: &[u8]) -> Answer {
        let mut stream = self.knock();
        stream.write_all(words).expect("the door takes a request");
        hear(stream)
    }

    /// A bare connection.
    pub fn knock(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the door takes a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket has a timeout");
        stream
    }

    /// Runs every target of every task once, as the schedule would.
    pub fn run_all(&self) {
        let config = self.config.borrow().clone();
        let host = config.settings.host();
        for probe in config.tasks.iter().flat_map(|task| &task.probes) {
            let outcome = self.runtime.block_on(probe.run(&host));
            let definition = Arc::clone(&probe.definition);
            let run = Run { outcome, due: SystemTime::now(), late: Duration::from_millis(1), definition };
            self.metrics.observe(&run);
            self.store.push(run);
        }
    }
}

/// Hears an answer to its end.
pub fn hear(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).expect("an answer is UTF-8");
    let (head, rest) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(rest) } else { rest.to_owned() };
    Answer { status, head: head.to_owned(), body }
}

fn unchunk(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a chunk has a size");
        body.push_str(&after[..size]);
        rest = after[size..].trim_start_matches("\r\n");
    }
    body
}

/// A server that answers every connection with the same bytes, and counts them; ends with the test.
pub fn answering(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("a listener has an address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head);
                let _ = stream.write_all(bytes);
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = stream.read(&mut head);
            });
        }
    });
    address
}

/// An answer of HTTP that is well.
pub const PAGE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nLast-Modified: Sat, 21 Nov 2026 08:00:00 GMT\r\nConnection: close\r\n\r\nHello\n";
