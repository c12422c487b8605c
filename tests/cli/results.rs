//! What a run looks like in text, JSON and for Nagios.

use crate::call::{agent, probed, said, scene, snapshot, words};

const REFUSED: &str = r#"
server = { kind = "closed" }
[[task]]
name = "mail"
target = "{addr}"
labels = { region = "gz" }
[task.tcp]
"#;

/// A page that takes its time, so that it is over the limit of the tasks that have one.
const PAGE: &str = r#"
server = [
  { hear = "head" }, { wait = "20ms" },
  { say = "HTTP/1.1 200 OK\r\nServer: lab\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n" },
]
[[task]]
name = "shop"
target = "http://{addr}/"
"#;

#[tokio::test]
async fn a_refused_connection() {
    let scene = scene(REFUSED).await;
    for format in ["text", "json", "nagios"] {
        snapshot("results", format!("refused-{format}"), &probed(&scene, &["--format", format]).await);
    }
}

#[tokio::test]
async fn a_page_in_time() {
    let scene = scene(&format!("{PAGE}[task.http]\n")).await;
    for format in ["text", "json", "nagios"] {
        snapshot("results", format!("page-{format}"), &probed(&scene, &["--format", format]).await);
    }
}

/// The kernel itself answers on loopback.
const HOST: &str = r#"
[[task]]
name = "host"
target = "127.0.0.1"
[task.ping]
count = 2
interval = "10ms"
"#;

#[tokio::test]
async fn a_host_that_answers() {
    let scene = scene(HOST).await;
    for format in ["text", "json", "nagios"] {
        snapshot("results", format!("ping-{format}"), &probed(&scene, &["--format", format]).await);
    }
    snapshot("results", "ping-verbose", &probed(&scene, &["-v"]).await);
}

/// More hosts at once than there is room for replies in a socket of the usual size.
#[tokio::test]
async fn five_thousand_hosts_lose_nothing() {
    let hosts: Vec<_> = (0..5000).map(|number| format!("127.1.{}.{}", number / 250, number % 250 + 1)).collect();
    let task = HOST.replace("target = \"127.0.0.1\"", "targets_file = \"hosts.txt\"").replace("count = 2", "count = 1");
    let scene = scene(&task).await;
    std::fs::write(scene.folder.path().join("hosts.txt"), hosts.join("\n")).expect("the folder can be written");
    let said = probed(&scene, &["--format", "json"]).await;
    assert_eq!(said.matches("\"outcome\":\"ok\"").count(), 5000, "{}", said.lines().last().unwrap_or_default());
}

#[tokio::test]
async fn a_host_that_cannot_be_pinged_from_there() {
    let scene = scene(&HOST.replace("[task.ping]", "source_ip = \"192.0.2.1\"\n[task.ping]")).await;
    snapshot("results", "ping-failed", &probed(&scene, &[]).await);
}

/// Slower than `warn_after` is well, with a warning; only Nagios has a status for it.
#[tokio::test]
async fn a_page_that_warns() {
    let scene = scene(&format!("{PAGE}warn_after = \"10ms\"\n[task.http]\n")).await;
    for format in ["text", "json", "nagios"] {
        snapshot("results", format!("warning-{format}"), &probed(&scene, &["--format", format]).await);
    }
}

/// Three steps: the first is as it should be, the second is not, the third is not run.
const STEPS: &str = r#"
server = [{ hear = "PING\n" }, { say = "PONG 7\n" }, { hear = "GET 7\n" }, { say = "gone\n" }, "close"]
[[task]]
name = "cache"
target = "{addr}"
[task.api]
[[task.api.step]]
name = "ping"
send = "PING\n"
verify = "partial"
expect = "PONG"
extract = { id = "PONG ([0-9]+)" }
[[task.api.step]]
name = "items-7"
send = "GET {{id}}\n"
verify = "partial"
expect = "item {{id}}"
[[task.api.step]]
name = "end"
send = "QUIT\n"
"#;

#[tokio::test]
async fn a_step_that_fails() {
    for format in ["text", "json", "nagios"] {
        let scene = scene(STEPS).await;
        snapshot("results", format!("steps-{format}"), &probed(&scene, &["--format", format]).await);
    }
    let scene = scene(STEPS).await;
    snapshot("results", "steps-verbose", &probed(&scene, &["-v"]).await);
}

#[tokio::test]
async fn a_status_that_is_the_code() {
    let scene = scene(
        r#"
server = [{ hear = "head" }, { say = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n" }]
[[task]]
name = "shop"
target = "http://{addr}/old"
[task.http]
"#,
    )
    .await;
    snapshot("results", "status-text", &probed(&scene, &[]).await);
}

#[tokio::test]
async fn the_conversation_has_no_secrets() {
    let scene = scene(&format!(
        "{PAGE}[task.http]\nbearer_token = \"geheim-1234\"\nheaders = {{ Accept = \"text/plain\", X-Api-Key = \"geheim-5678\" }}\n"
    ))
    .await;
    let said = probed(&scene, &["-v"]).await;
    assert!(!said.contains("geheim"), "{said}");
    snapshot("results", "conversation", &said);
}

/// Lines and their answers, without the password, whatever the server does with it.
#[tokio::test]
async fn a_log_in_that_is_refused() {
    let scene = scene(
        r#"
server = [
  { say = "220-lab\r\n  all welcome\r\n220 ready\r\n" }, { hear = "USER probe\r\n" }, { say = "331 password please\r\n" },
  { hear = "PASS geheim-1234\r\n" }, { say = "530 not with geheim-1234\r\n" }, "hold",
]
[[task]]
name = "deliveries"
target = "ftp://probe:geheim-1234@{addr}/in/"
[task.ftp]
"#,
    )
    .await;
    let said = probed(&scene, &["-v"]).await;
    assert!(!said.contains("geheim"), "{said}");
    snapshot("results", "dialogue", &said);
}

/// Who made the code, and what came of every step; the delete has run behind the failure.
#[tokio::test]
async fn a_round_that_comes_back_shorter() {
    let scene = scene(
        r#"
server = [
  { hear = "head" }, { hear_bytes = 534 },
  { answer = { body = "{\"code\":0,\"message\":\"SUCCESS\",\"data\":{\"access_url\":\"http://{addr}/f\"}}" } },
  { hear = "head" }, { answer = { body = "{\"code\":0,\"data\":{\"access_url\":\"http://{addr}/f\"}}" } },
  { hear = "head" }, { answer = { body = "01234" } },
  { hear = "head" }, { answer = { status = 400, body = "{\"code\":-197,\"message\":\"ERROR_CMD_FILE_NOTEXIST\"}" } },
]
[[task]]
name = "bucket"
target = "http://{addr}/files/v1/"
[task.object]
appid = "10001"
bucket = "probe"
secret_id = "AKIDexample"
secret_key = "secretexample"
op = "round"
path = "/probe.bin"
source = "probe.bin"
"#,
    )
    .await;
    std::fs::write(scene.folder.path().join("probe.bin"), "0123456789").expect("the folder can be written");
    snapshot("results", "object", &probed(&scene, &[]).await);
}

#[tokio::test]
async fn a_certificate_of_nobody_for_somebody_else() {
    let scene = scene(
        r#"
server = { tls = { certificate = "expired_wrong_name_unknown_root" } }
[[task]]
name = "shop"
target = "https://{addr}/"
[task.tls]
ca_file = "{ca}"
[task.http]
"#,
    )
    .await;
    snapshot("results", "certificate-text", &probed(&scene, &[]).await);
}

/// One fails at once, the other is well a little later: each is printed as it ends, and the worst decides.
#[tokio::test]
async fn several_tasks() {
    let scene = scene(
        r#"
server = [{ hear = "head" }, { wait = "300ms" }, { say = "HTTP/1.1 204 No Content\r\n\r\n" }]
peer.mail = { kind = "closed" }
[[task]]
name = "shop"
target = "http://{addr}/"
[task.http]
[[task]]
name = "mail"
target = "{mail.addr}"
[task.tcp]
[[task]]
name = "module"
[task.http]
"#,
    )
    .await;
    snapshot("results", "several", &probed(&scene, &["--format", "nagios"]).await);
    // What runs side by side speaks in no order.
    let said = probed(&scene, &["--format", "nagios", "-v"]).await;
    let mut lines: Vec<_> = said.lines().filter(|line| line.starts_with('[')).collect();
    lines.sort_unstable();
    snapshot("results", "several-verbose", &lines.join("\n"));
    snapshot("results", "several-one-picked", &probed(&scene, &["--format", "nagios", "--name", "shop"]).await);
    snapshot(
        "results",
        "several-both-picked",
        &probed(&scene, &["--format", "nagios", "--name", "shop", "--name", "mail"]).await,
    );
    snapshot("results", "several-none-picked", &probed(&scene, &["--name", "shopp"]).await);
    snapshot("results", "several-module-picked", &probed(&scene, &["--name", "module"]).await);
}

/// Every attempt is a run of its own.
#[tokio::test]
async fn retries() {
    let scene = scene(&REFUSED.replace("[task.tcp]", "retries = 1\n[task.tcp]")).await;
    snapshot("results", "retries", &probed(&scene, &["--format", "json"]).await);
}

#[tokio::test]
async fn internal_addresses_denied() {
    let scene = scene(REFUSED).await;
    snapshot("results", "denied", &probed(&scene, &["--deny-internal"]).await);
}

#[tokio::test]
async fn a_url_instead_of_a_file() {
    let scene = scene(&format!("{PAGE}[task.http]\n")).await;
    let url = scene.places.fill("http://{addr}/").expect("a place");
    let ended = agent(scene.folder.path(), &["probe", &url, "--format", "nagios"]).await;
    snapshot("results", "url", &said(&ended, scene.folder.path()));
    let urls = [
        ("url-of-other-scheme", "gopher://shop.example.com/"),
        ("url-without-scheme", "shop.example.com"),
        ("url-without-host", "http:///x"),
        ("url-without-port", "tcp://mail.example.com"),
        ("url-of-dns-without-name", "dns://192.0.2.53/?type=A"),
        ("url-of-ftp-with-a-line-end", "ftp://ftp.example.com/a%0Ab"),
        ("url-with-a-slash-in-the-password", "smtp://probe:hunt/er2@192.0.2.25:1"),
    ];
    for (name, url) in urls {
        snapshot("results", name, &words(&["probe", url]).await);
    }
    let url = "pop3s://probe:hunt?er2@192.0.2.110:1";
    snapshot("results", "url-of-pop3s-nagios", &words(&["probe", url, "--format", "nagios"]).await);
}

/// A name server whose answer is not the expected one: the records, the flags, and with `-v` the conversation.
#[tokio::test]
async fn an_answer_that_differs() {
    let scene = scene(
        r#"
server = { kind = "dns", zone = { "shop.test" = { records = ['shop.test CNAME www.shop.test.', 'www.shop.test A 192.0.2.8'] } } }
[[task]]
name = "shop"
target = "shop.test"
[task.dns]
server = "{addr}"
expect = ["192.0.2.7"]
"#,
    )
    .await;
    for format in ["text", "json", "nagios"] {
        snapshot("results", format!("dns-{format}"), &probed(&scene, &["--format", format]).await);
    }
    snapshot("results", "dns-conversation", &probed(&scene, &["-v", "--format", "nagios"]).await);
}

/// A closed UDP port: who said so, and how.
#[tokio::test]
async fn a_refused_datagram() {
    let scene = scene(&REFUSED.replace("[task.tcp]", "[task.udp]\nsend = \"ping\"\nexpect = \"pong\"")).await;
    for format in ["text", "json"] {
        snapshot("results", format!("udp-{format}"), &probed(&scene, &["--format", format]).await);
    }
}
