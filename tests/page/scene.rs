//! What the page is about: a daemon with tasks that fail in different ways, against peers that answer as they are told.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use regex::Regex;

use crate::client::{self, PATIENCE};
use crate::host::{Closed, Daemon, Host};

/// A name that would do harm on a page that took it for markup.
pub const MARKUP: &str = r#"<script>document.title='stolen'</script>"'&<img src=x onerror=alert(1)>商店"#;

/// Said by peers, and never to be shown: what is in the surroundings of the daemon, and what stands in a target.
pub const SECRETS: [&str; 3] = ["a-label-of-secrets", "a-token-of-secrets", "a-password-of-secrets"];

/// The tasks that fail, with the code of each in the log, and the value of its label `shop`.
pub const FAILING: [(&str, &str, &str); 5] = [
    ("busy", "503 ", "north"),
    ("closed", "611 connect", "north"),
    ("wrong", "615 ", "south"),
    ("mail", "611 smtp", "south"),
    (MARKUP, "502 ", MARKUP),
];

/// A daemon and those that it probes.
pub struct Scene {
    /// Its folder.
    pub host: Host,
    /// The daemon.
    pub daemon: Daemon,
    /// Where its page is.
    pub address: SocketAddr,
    closed: Closed,
    good: SocketAddr,
    busy: SocketAddr,
    evil: SocketAddr,
    mail: SocketAddr,
}

impl Scene {
    /// Starts it all and waits until every task has run.
    pub fn start() -> Self {
        let host = Host::new("");
        let good = serve("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello".to_owned());
        let busy = serve("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned());
        let evil = serve(format!(
            "HTTP/1.1 502 <b>bad</b>\r\nX-Evil: {0}\r\nServer: {0}\r\nContent-Length: {1}\r\nConnection: close\r\n\r\n{0}",
            MARKUP.replace("商店", "shop"),
            MARKUP.replace("商店", "shop").len(),
        ));
        let mail = serve(format!("554 {}\r\n", MARKUP.replace("商店", "shop")));
        let closed = Closed::new();
        let mut command = host.command();
        for (name, value) in ["LABEL", "TOKEN", "PASSWORD"].into_iter().zip(SECRETS) {
            command.env(name, value);
        }
        let written = tasks(&closed, good, busy, evil, mail, "250ms");
        host.write("tasks/a.toml", &written);
        let mut daemon = host.start_as(&mut command);
        for (_, code, _) in FAILING {
            daemon.wait_for(&format!(": Failed {code}"), 4);
        }
        for words in ["DEBUG front", "DEBUG secret", "DEBUG password"] {
            daemon.wait_for(words, 4);
        }
        let address = door(&daemon.log());
        Self { host, daemon, address, closed, good, busy, evil, mail }
    }

    /// From now on nothing runs, and everything that ran is on the page.
    pub fn settle(&mut self) {
        let written = tasks(&self.closed, self.good, self.busy, self.evil, self.mail, "30d");
        self.host.write("tasks/a.toml", &written);
        self.daemon.wait_for("8 probes are scheduled", 2);
        let begun = Instant::now();
        let runs = Regex::new("<dt>Runs</dt><dd>([0-9]+)</dd>").expect("a literal expression");
        loop {
            let page = client::get(self.address, "/", "").body;
            let shown: usize = runs.captures(&page).expect("runs are counted")[1].parse().expect("digits");
            if shown == self.runs() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{shown} runs, and not {}:\n{}", self.runs(), self.daemon.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// How often a task that fails has failed.
    pub fn failures(&self, code: &str) -> usize {
        self.daemon.count(&format!(": Failed {code}"))
    }

    /// How many runs ended well or failed.
    pub fn runs(&self) -> usize {
        self.daemon.count(": Ok ") + self.daemon.count(": Failed ")
    }
}

/// Where the page of a daemon is, by its log.
pub fn door(log: &str) -> SocketAddr {
    let address = Regex::new(r"http://(127\.0\.0\.1:[0-9]+)").expect("a literal expression");
    let line = log.lines().find(|line| !line.contains("DEBUG") && address.is_match(line));
    let line = line.unwrap_or_else(|| panic!("the log does not name the page:\n{log}"));
    address.captures(line).expect("it matches")[1].parse().expect("an address")
}

/// The tasks, of this interval each.
fn tasks(
    closed: &Closed,
    good: SocketAddr,
    busy: SocketAddr,
    evil: SocketAddr,
    mail: SocketAddr,
    interval: &str,
) -> String {
    let task = |name: &str, target: &str, shop: &str, table: &str| {
        format!(
            "[[task]]\nname = '''{name}'''\ntarget = '''{target}'''\ninterval = \"{interval}\"\ntimeout = \"250ms\"\n\
             [task.labels]\nshop = '''{shop}'''\n{table}\n"
        )
    };
    let http = "[task.http]";
    [
        task("front", &format!("http://{good}/"), "north", http),
        task("busy", &format!("http://{busy}/"), "north", http),
        task("closed", &format!("http://{}/", closed.address()), "north", http),
        task("wrong", &format!("http://{good}/wrong"), "south", "[task.http]\nmatch = \"welcome\""),
        task(MARKUP, &format!("http://{evil}/{MARKUP}?q={MARKUP}"), MARKUP, http),
        task("mail", &mail.to_string(), "south", "[task.smtp]"),
        task(
            "secret",
            &format!("http://{good}/"),
            "south",
            "token = { env = \"LABEL\" }\n[task.http]\nbearer_token = { env = \"TOKEN\" }",
        ),
        task("password", &format!("http://user:{}@{good}/", SECRETS[2]), "south", http),
    ]
    .concat()
}

/// A peer that answers everybody with the same bytes; where these are no HTTP it does not wait to be asked.
fn serve(bytes: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port of loopback");
    let address = listener.local_addr().expect("a bound port has an address");
    thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            let bytes = bytes.clone();
            thread::spawn(move || answer(stream, &bytes));
        }
    });
    address
}

fn answer(mut stream: TcpStream, bytes: &str) {
    let mut request = [0; 4096];
    if bytes.starts_with("HTTP/") && !stream.read(&mut request).is_ok_and(|length| length > 0) {
        return;
    }
    _ = stream.write_all(bytes.as_bytes());
    // Until the other side goes away.
    while stream.read(&mut request).is_ok_and(|length| length > 0) {}
}
