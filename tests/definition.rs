//! The task file that makes a run again: the same probe, wherever the file lies, and no secret in it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use agent::reader::Source;
use agent::run::Run;
use agent::settings::Settings;
use agent::store::{Limits, Store};
use agent::task::{self, Probe, Task};
use probes::outcome::{Idle, not_begun};
use probes::spec::Spec;

fn read(text: &str, folder: &Path, settings: &Settings) -> Vec<Task> {
    let source = Source { name: "task.toml".to_owned(), folder: folder.to_owned(), text: text.to_owned() };
    task::read(source, settings).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// All that makes a probe, as far as it may be printed.
fn printed(task: &Task, probe: &Probe) -> String {
    let Probe { identity, conditions, spec, .. } = probe;
    let probes::net::Conditions { limits, resolver, source_ip, demand, .. } = conditions;
    // A map has no order.
    let hosts: std::collections::BTreeMap<_, _> = resolver.hosts.iter().collect();
    let resolver = (&resolver.servers, hosts, resolver.family);
    let task = (task.interval, task.retries);
    format!("{identity:#?} {limits:#?} {resolver:#?} {source_ip:#?} {demand:#?} {spec:#?} {task:#?}")
}

/// Every probe of a text is the same when its definition is read in another folder, with the secrets given elsewhere.
fn come_back(text: &str, folder: &Path, settings: &Settings, secrets: &[&str]) -> Vec<String> {
    let other = tempfile::tempdir().expect("a folder");
    let mut definitions = Vec::new();
    for task in read(text, folder, settings) {
        for probe in &task.probes {
            let mut definition = probe.definition.to_string();
            for (index, secret) in secrets.iter().enumerate() {
                assert!(!definition.contains(secret), "{secret} stands in\n{definition}");
                let file = other.path().join(format!("secret-{index}"));
                fs::write(&file, secret).expect("the folder can be written");
                let elsewhere = format!("{{ file = {:?} }}", file.display().to_string());
                definition = definition.replace(&format!("{{ env = \"AGENT_SECRET_{}\" }}", index + 1), &elsewhere);
            }
            let again = read(&definition, other.path(), &Settings::default());
            assert_eq!((again.len(), again[0].probes.len()), (1, 1), "{definition}");
            let (found, wanted) = (printed(&again[0], &again[0].probes[0]), printed(&task, probe));
            let differs = found.lines().zip(wanted.lines()).find(|(found, wanted)| found != wanted);
            assert!(found == wanted, "{differs:?}\n{definition}");
            definitions.push(probe.definition.to_string());
        }
    }
    definitions
}

#[test]
fn every_example_comes_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
    let mut protocols = Vec::new();
    for protocol in Spec::PROTOCOLS {
        let text = fs::read_to_string(folder.join(format!("{}.toml", protocol.name()))).expect("an example");
        let definitions = come_back(&text, &folder, &Settings::default(), &["a secret", "a second secret"]);
        assert!(!definitions.is_empty(), "{} has no target", protocol.name());
        protocols.push(definitions);
    }
    assert_eq!(protocols.len(), 11);
}

const SECRETS: &str = r#"
[[task]] # my-first-secret
name = "shop \"front\" é \u202e"
targets = ["http://ops:p%40ss-word@127.0.0.1:1/a", "http://127.0.0.1:2/?token=a-bearer-token"]
interval = "5m"
retries = 2
labels = { region = "gz", "odd key" = "" }
[task.http]
method = "POST"
body = """
the key is the-secret-key
"""
body_more = 1
[task.http.headers]
X-Api-Key = "the-secret-key"
Accept = "text/*"
"#;

#[test]
fn secrets_are_left_out_and_paths_lead_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings::read(Source::inline(
        "agent.toml",
        "[labels]\nisp = \"one\"\nregion = \"host\"\n[resolver]\nfamily = \"ipv4\"\nhosts = { \"a.test\" = [\"192.0.2.7\"] }\n\
         [policy]\ndeny = [\"10.0.0.0/8\"]\n[network]\nsource_ipv4 = \"127.0.0.1\"\n"
            .to_owned(),
    ));
    let settings = settings.unwrap_or_else(|problems| panic!("{problems}"));
    let text = SECRETS.replace("body_more = 1\n", "");
    let task = &read(&text, folder.path(), &settings)[0];
    let first = &task.probes[0].definition;
    for secret in ["my-first-secret", "p%40ss", "p@ss", "the-secret-key"] {
        assert!(!first.contains(secret), "{secret} stands in\n{first}");
    }
    let mut snapshots = insta::Settings::new();
    snapshots.set_snapshot_path("definition");
    snapshots.set_prepend_module_to_snapshot(false);
    snapshots.bind(|| insta::assert_snapshot!("secrets", first.as_ref()));
    fs::write(folder.path().join("body.json"), "{}").expect("a file");
    fs::write(folder.path().join("token"), "from a file").expect("a file");
    let text = "[[task]]\nname = \"a\"\ntarget = \"http://127.0.0.1:1/\"\n[task.http]\nbody_file = \"body.json\"\n\
                method = \"POST\"\nbearer_token = { file = \"token\" }\n[task.http.headers]\nfile = \"token\"\n";
    let definitions = come_back(text, folder.path(), &settings, &[]);
    let body = format!("body_file = {:?}", folder.path().join("body.json").display().to_string());
    assert!(definitions[0].contains(&body), "{}", definitions[0]);
    assert!(definitions[0].contains("\nfile = \"token\"\n"), "a header is no reference: {}", definitions[0]);
}

#[test]
fn every_kind_of_secret_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let rows = [
        ("smtp", "target = \"smtp://127.0.0.1:25\"\n[task.smtp]\nusername = \"u\"\npassword = \"pw1\"\n", vec!["pw1"]),
        (
            "pop3",
            "target = \"pop3://127.0.0.1\"\n[task.pop3]\nusername = \"u\"\npassword = \"pass-2\"\n",
            vec!["pass-2"],
        ),
        ("ftp", "target = \"ftp://u:pass-3@127.0.0.1/\"\n[task.ftp]\naccount = \"acct-3\"\n", vec!["pass-3", "acct-3"]),
        ("http", "target = \"http://127.0.0.1/\"\n[task.http]\nbearer_token = \"tok-4\"\n", vec!["tok-4"]),
        (
            "http",
            "target = \"http://127.0.0.1/\"\n[task.http]\nproxy = \"http://u:pass-5@127.0.0.1:3128\"\n",
            vec!["http://u:pass-5@127.0.0.1:3128"],
        ),
        ("http", "target = \"http://127.0.0.1/\"\n[task.http.headers]\nCookie = \"s=abcdef\"\n", vec!["s=abcdef"]),
    ];
    for (name, text, secrets) in rows {
        let text = format!("[[task]]\nname = \"{name}\"\n{text}");
        let task = &read(&text, folder.path(), &Settings::default())[0];
        let definition = &task.probes[0].definition;
        assert!(definition.contains("AGENT_SECRET_1: "), "{definition}");
        for secret in &secrets {
            assert!(!definition.contains(*secret), "{secret} stands in\n{definition}");
        }
        if !text.contains("://u:pass-3") {
            come_back(&text, folder.path(), &Settings::default(), &secrets);
        }
    }
}

fn agent(arguments: &[&str], folder: &Path, secret: &str) -> Output {
    let mut call = Command::new(env!("CARGO_BIN_EXE_agent"));
    call.args(arguments).current_dir(folder).env("AGENT_SECRET_1", secret).output().expect("the agent can be run")
}

/// `agent replay ID > t.toml && AGENT_SECRET_1=… agent probe --task t.toml`
#[test]
fn a_replayed_run_sends_the_same() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = server.local_addr().expect("an address").port();
    let serving = std::thread::spawn(move || -> Vec<String> {
        let requests = server.incoming().take(2).map(|stream| {
            let mut stream = stream.expect("a connection");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).expect("a request");
                request.push(byte[0]);
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").expect("an answer");
            String::from_utf8(request).expect("text")
        });
        requests.collect()
    });
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("[[task]]\nname = \"shop\"\ntarget = \"http://ops:p%40ss@127.0.0.1:{port}/\"\n[task.http]\n");
    fs::write(folder.path().join("first.toml"), &text).expect("a file");
    let first = agent(&["probe", "--task", "first.toml"], folder.path(), "");
    assert!(first.status.success(), "{first:?}");
    let task = &read(&text, folder.path(), &Settings::default())[0];
    let probe = &task.probes[0];
    let outcome = not_begun(probe.spec.protocol(), &probe.identity, SystemTime::now(), Idle::Busy);
    let (id, definition) = (outcome.id.clone(), probe.definition.clone());
    let store = Store::open(&folder.path().join("agent.db"), Limits::default()).expect("a store");
    store.push(Run { outcome, due: SystemTime::now(), late: Duration::ZERO, definition });
    store.close();
    let replayed = agent(&["replay", &id, "--store", "agent.db"], folder.path(), "");
    assert!(replayed.status.success(), "{replayed:?}");
    fs::write(folder.path().join("t.toml"), &replayed.stdout).expect("a file");
    let again = agent(&["probe", "--task", "t.toml"], folder.path(), "p@ss");
    assert!(again.status.success(), "{again:?}");
    let requests = serving.join().expect("it serves");
    assert!(requests[0].contains("\r\nauthorization: Basic "), "{}", requests[0]);
    assert_eq!(requests[0], requests[1]);
}
