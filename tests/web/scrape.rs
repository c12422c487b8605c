//! What Debian's Prometheus makes of the door: `promtool` finds nothing to complain of, and a Prometheus that is configured
//! for `blackbox_exporter` scrapes this agent in its place.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::house::{House, PAGE, answering, hear};
use crate::stack::{find, search_path};

const OPEN: &str = "[policy]\ninternal = \"allow\"\n[labels]\nhost = \"h\"\nregion = \"gz\"\n";

#[test]
fn promtool_finds_nothing_to_complain_of() {
    let page = answering(PAGE);
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free");
    let tasks = format!(
        "[[task]]\nname = \"http_2xx\"\n[task.http]\n\
         [[task]]\nname = \"odd \\\"name\\\\\"\ntargets = [\"http://{page}/\", \"http://{closed}/\"]\n\
         labels = {{ \"le\" = \"x\", \"a.b\" = \"y\\n\", \"9\" = \"z\" }}\n[task.http]\n\
         [[task]]\nname = \"port\"\ntarget = \"{page}\"\n[task.tcp]\n\
         [[task]]\nname = \"name\"\ntarget = \"dns://{closed}/a.test\"\ntimeout = \"1s\"\n[task.dns]\n\
         [[task]]\nname = \"echo\"\ntarget = \"127.0.0.1\"\n[task.ping]\ncount = 1\n"
    );
    let house = House::open(OPEN, &tasks);
    house.run_all();
    house.run_all();
    let all = house.get("/metrics").body;
    assert_eq!(complaints(&all), "", "{all}");
    let one = house.get(&format!("/probe?target={page}")).body;
    assert_eq!(complaints(&one), "", "{one}");
    let series = "task=\"odd \\\"name\\\\\",target=\"http://";
    assert!(
        all.contains(&format!(
            "probe_success{{{series}{page}/\",label_9=\"z\",a_b=\"y\\n\",host=\"h\",label_le=\"x\",region=\"gz\"}} 1\n"
        )),
        "{all}"
    );
    assert!(all.contains("agent_runs_total{outcome=\"ok\"} 6\n"), "{all}");
}

/// What `promtool check metrics` says.
fn complaints(page: &str) -> String {
    let promtool = find(&search_path(), "promtool").unwrap_or_else(|sentence| panic!("{sentence}"));
    let mut check = Command::new(promtool);
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut check = check.spawn().expect("promtool starts");
    check.stdin.take().expect("it has an input").write_all(page.as_bytes()).expect("promtool reads");
    let ended = check.wait_with_output().expect("promtool ends");
    format!("{}{}", String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr))
}

/// A Prometheus that ends with the test.
struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_prometheus_configured_for_blackbox_exporter_scrapes_this_agent() {
    let page = answering(PAGE);
    let house = House::open(OPEN, "[[task]]\nname = \"http_2xx\"\n[task.http]\nexpect_status = [\"2xx\"]\n");
    // The scrape configuration of blackbox_exporter's users, but for the address in its last line.
    let file = format!(
        "scrape_configs:\n- job_name: blackbox\n  scrape_interval: 1s\n  metrics_path: /probe\n  params:\n    module: [http_2xx]\n  \
         static_configs:\n  - targets:\n    - http://{page}\n  relabel_configs:\n  - source_labels: [__address__]\n    \
         target_label: __param_target\n  - source_labels: [__param_target]\n    target_label: instance\n  - target_label: \
         __address__\n    replacement: {}\n",
        house.address
    );
    let folder = house.folder.path();
    std::fs::write(folder.join("prometheus.yml"), file).expect("a file can be written");
    let (mut prometheus, listen) = start(folder);
    let begun = Instant::now();
    let query = "/api/v1/query?query=probe_success%7Bjob%3D%22blackbox%22%7D";
    let wanted = format!("\"instance\":\"http://{page}\"");
    loop {
        let answer = ask(listen, query);
        if answer.contains(&wanted) && answer.contains(",\"1\"]") {
            break;
        }
        let ended = prometheus.0.try_wait().expect("a child can be asked");
        let so_far = begun.elapsed();
        assert!(ended.is_none() && so_far < Duration::from_secs(60), "{so_far:?} {ended:?}: {answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Starts Prometheus on a free port; on another one where somebody was quicker.
fn start(folder: &std::path::Path) -> (Prometheus, std::net::SocketAddr) {
    let program = find(&search_path(), "prometheus").unwrap_or_else(|sentence| panic!("{sentence}"));
    for attempt in 0..5 {
        let listen =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free");
        let log = std::fs::File::create(folder.join("prometheus.log")).expect("a file can be made");
        let mut command = Command::new(&program);
        command
            .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.join(format!("data{attempt}")).display()))
            .arg(format!("--web.listen-address={listen}"))
            .stdout(Stdio::null())
            .stderr(log);
        let mut prometheus = Prometheus(command.spawn().expect("prometheus starts"));
        let begun = Instant::now();
        while prometheus.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            if ask(listen, "/-/ready").contains("Ready") {
                return (prometheus, listen);
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "prometheus is not ready after a minute");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let log = std::fs::read_to_string(folder.join("prometheus.log")).unwrap_or_default();
    panic!("prometheus does not start: {log}")
}

fn ask(address: std::net::SocketAddr, path: &str) -> String {
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return String::new() };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let _ = write!(stream, "GET {path} HTTP/1.0\r\nHost: a\r\n\r\n");
    let mut nothing = [];
    let _ = stream.read(&mut nothing);
    hear(stream).body
}
