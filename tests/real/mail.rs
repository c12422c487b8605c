//! SMTP with Postfix, POP3 with Dovecot, and Dovecot's passwords behind both.

use std::sync::OnceLock;

use crate::run::{Run, probe};
use crate::stack::ClosedPort;
use crate::stack::daemon::{Daemon, Plan};

const MAIL: Plan = Plan {
    name: "mail",
    program: "dovecot",
    // SMTP with STARTTLS on offer and AUTH inside TLS, the same in TLS from the beginning, SMTP that greets everybody
    // with 554; POP3 with STLS on offer, the same in TLS from the beginning.
    listeners: &[("smtp", 8101), ("smtps", 8102), ("refusing", 8103), ("pop3", 8104), ("pop3s", 8105)],
    greeting: "220 mail.stack.test",
};

/// Postfix and Dovecot, shared by the tests.
fn mail() -> &'static Daemon {
    static SHARED: OnceLock<Result<Daemon, String>> = OnceLock::new();
    match SHARED.get_or_init(|| Daemon::start(&MAIL)) {
        Ok(mail) => mail,
        Err(sentence) => panic!("{sentence}"),
    }
}

const CREDENTIALS: &str = "username = \"probe\"\npassword = \"open sesame\"";
const WRONG: &str = "username = \"probe\"\npassword = \"open barley\"";

/// Probes a port with the lines of the protocol's table.
fn with(port: &str, lines: &str) -> Run {
    let ca = mail().certificate("ca.pem");
    let table = if port.starts_with("pop3") { "pop3" } else { "smtp" };
    let lines = format!(
        "timeout = \"10s\"\n[task.tls]\nca_file = {ca:?}\nserver_name = \"localhost\"\n[task.{table}]\n{lines}"
    );
    probe(&mail().address(port).to_string(), &lines)
}

#[test]
fn a_relay_that_greets() {
    with("smtp", "")
        .succeeded(0)
        .with_phases(&["connect", "greeting"])
        .with("/evidence/dialogue/0/received", "220 mail.stack.test ESMTP");
}

#[test]
fn a_relay_in_tls() {
    with("smtp", "tls = \"starttls\"")
        .succeeded(0)
        .with_phases(&["connect", "greeting", "tls"])
        .with("/evidence/tls/version", "TLSv1.3");
    with("smtps", "tls = \"implicit\"").succeeded(0).with_phases(&["connect", "tls", "greeting"]);
    with("smtp", "tls = \"implicit\"").failed(611, "tls.not_tls");
    // The other way round Postfix waits for a client hello.
    let silent = "[task.smtp]\n";
    probe(&mail().address("smtps").to_string(), &format!("timeout = \"500ms\"\n{silent}"))
        .failed(610, "smtp.silence.greeting");
}

#[test]
fn a_relay_that_wants_nobody() {
    with("refusing", "").failed(611, "smtp.refused.greeting").with_phases(&["connect", "greeting"]);
}

#[test]
fn a_log_in_to_a_relay() {
    let good = with("smtp", &format!("tls = \"starttls\"\n{CREDENTIALS}"));
    assert!(!good.printed().contains("sesame"), "{good}");
    good.succeeded(0).with_phases(&["connect", "greeting", "tls", "login"]);
    with("smtps", &format!("tls = \"implicit\"\n{CREDENTIALS}")).succeeded(0);
    let wrong = with("smtp", &format!("tls = \"starttls\"\n{WRONG}"));
    assert!(!wrong.printed().contains("barley"), "{wrong}");
    wrong.failed(616, "smtp.refused.auth").with_phases(&["connect", "greeting", "tls", "login"]);
    // AUTH is on offer inside TLS only.
    with("smtp", CREDENTIALS).failed(616, "smtp.no_auth");
}

#[test]
fn senders_and_recipients() {
    let here = "from = \"somebody@example.com\"\nto = \"probe@stack.test\"";
    with("smtp", here).succeeded(0).with_phases(&["connect", "greeting", "transfer"]);
    let nobody = "from = \"somebody@example.com\"\nto = \"nobody@stack.test\"";
    with("smtp", nobody).failed(611, "smtp.refused.rcpt");
    let elsewhere = "from = \"somebody@example.com\"\nto = \"somebody@example.com\"";
    with("smtp", elsewhere).failed(611, "smtp.refused.rcpt");
    // Who has logged in may relay.
    with("smtps", &format!("tls = \"implicit\"\n{CREDENTIALS}\n{elsewhere}")).succeeded(0);
    with("smtp", "from = \"nobody at all\"").failed(611, "smtp.malformed_address").with_phases(&[]);
}

#[test]
fn a_mailbox() {
    with("pop3", "").succeeded(0).with_phases(&["connect", "greeting"]);
    with("pop3", "tls = \"starttls\"").succeeded(0).with_phases(&["connect", "greeting", "tls"]);
    with("pop3s", "tls = \"implicit\"").succeeded(0).with_phases(&["connect", "tls", "greeting"]);
}

#[test]
fn a_log_in_to_a_mailbox() {
    // Dovecot greets with a timestamp: APOP.
    let apop = with("pop3", CREDENTIALS);
    assert!(apop.printed().contains("APOP probe ***"), "{apop}");
    apop.succeeded(0).with_phases(&["connect", "greeting", "login", "transfer"]);
    with("pop3s", &format!("tls = \"implicit\"\n{CREDENTIALS}")).succeeded(0);
    with("pop3", &format!("tls = \"starttls\"\n{CREDENTIALS}")).succeeded(0);
    with("pop3", WRONG).failed(611, "pop3.refused.apop");
    let wrong = with("pop3s", &format!("tls = \"implicit\"\n{WRONG}"));
    assert!(!wrong.printed().contains("barley"), "{wrong}");
    wrong.failed(611, "pop3.refused.apop");
}

#[test]
fn a_port_without_a_server() {
    let closed = ClosedPort::take().expect("a free port");
    let target = closed.address().unwrap().to_string();
    probe(&target, "[task.smtp]").failed(611, "connect.refused");
    probe(&target, "[task.pop3]").failed(611, "connect.refused");
}
