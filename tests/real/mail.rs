//! SMTP with Postfix, POP3 with Dovecot, and Dovecot's passwords behind both.

use crate::run::{Run, probe};
use crate::stack::ClosedPort;
use crate::stack::mail::{MailPort, mail};

const CREDENTIALS: &str = "username = \"probe\"\npassword = \"open sesame\"";
const WRONG: &str = "username = \"probe\"\npassword = \"open barley\"";

/// Probes a port with the lines of the protocol's table.
fn with(port: MailPort, lines: &str) -> Run {
    let ca = mail().certificate("ca.pem");
    let table = match port {
        MailPort::Smtp | MailPort::Smtps | MailPort::Refusing => "smtp",
        MailPort::Pop3 | MailPort::Pop3s => "pop3",
    };
    let lines = format!(
        "timeout = \"10s\"\n[task.tls]\nca_file = {ca:?}\nserver_name = \"localhost\"\n[task.{table}]\n{lines}"
    );
    probe(&mail().address(port).to_string(), &lines)
}

#[test]
fn a_relay_that_greets() {
    with(MailPort::Smtp, "")
        .succeeded(0)
        .with_phases(&["connect", "greeting"])
        .with("/evidence/dialogue/0/received", "220 mail.stack.test ESMTP\r\n");
}

#[test]
fn a_relay_in_tls() {
    with(MailPort::Smtp, "tls = \"starttls\"")
        .succeeded(0)
        .with_phases(&["connect", "greeting", "tls"])
        .with("/evidence/tls/version", "TLSv1.3");
    with(MailPort::Smtps, "tls = \"implicit\"").succeeded(0).with_phases(&["connect", "tls", "greeting"]);
    with(MailPort::Smtp, "tls = \"implicit\"").failed(611, "tls.not_tls");
    // The other way round Postfix waits for a client hello.
    let silent = "[task.smtp]\n";
    probe(&mail().address(MailPort::Smtps).to_string(), &format!("timeout = \"500ms\"\n{silent}"))
        .failed(610, "smtp.silence.greeting");
}

#[test]
fn a_relay_that_wants_nobody() {
    with(MailPort::Refusing, "").failed(611, "smtp.refused.greeting").with_phases(&["connect", "greeting"]);
}

#[test]
fn a_log_in_to_a_relay() {
    let good = with(MailPort::Smtp, &format!("tls = \"starttls\"\n{CREDENTIALS}"));
    assert!(!good.printed().contains("sesame"), "{good}");
    good.succeeded(0).with_phases(&["connect", "greeting", "tls", "login"]);
    with(MailPort::Smtps, &format!("tls = \"implicit\"\n{CREDENTIALS}")).succeeded(0);
    let wrong = with(MailPort::Smtp, &format!("tls = \"starttls\"\n{WRONG}"));
    assert!(!wrong.printed().contains("barley"), "{wrong}");
    wrong.failed(616, "smtp.refused.auth").with_phases(&["connect", "greeting", "tls", "login"]);
    // AUTH is on offer inside TLS only.
    with(MailPort::Smtp, CREDENTIALS).failed(616, "smtp.no_auth");
}

#[test]
fn senders_and_recipients() {
    let here = "from = \"somebody@example.com\"\nto = \"probe@stack.test\"";
    with(MailPort::Smtp, here).succeeded(0).with_phases(&["connect", "greeting", "transfer"]);
    let nobody = "from = \"somebody@example.com\"\nto = \"nobody@stack.test\"";
    with(MailPort::Smtp, nobody).failed(611, "smtp.refused.rcpt");
    let elsewhere = "from = \"somebody@example.com\"\nto = \"somebody@example.com\"";
    with(MailPort::Smtp, elsewhere).failed(611, "smtp.refused.rcpt");
    // Who has logged in may relay.
    with(MailPort::Smtps, &format!("tls = \"implicit\"\n{CREDENTIALS}\n{elsewhere}")).succeeded(0);
    with(MailPort::Smtp, "from = \"nobody at all\"").failed(611, "smtp.malformed_address").with_phases(&[]);
}

#[test]
fn a_mailbox() {
    with(MailPort::Pop3, "").succeeded(0).with_phases(&["connect", "greeting"]);
    with(MailPort::Pop3, "tls = \"starttls\"").succeeded(0).with_phases(&["connect", "greeting", "tls"]);
    with(MailPort::Pop3s, "tls = \"implicit\"").succeeded(0).with_phases(&["connect", "tls", "greeting"]);
}

#[test]
fn a_log_in_to_a_mailbox() {
    // Dovecot greets with a timestamp: APOP.
    let apop = with(MailPort::Pop3, CREDENTIALS);
    assert!(apop.printed().contains("APOP probe ***"), "{apop}");
    apop.succeeded(0).with_phases(&["connect", "greeting", "login", "transfer"]);
    with(MailPort::Pop3s, &format!("tls = \"implicit\"\n{CREDENTIALS}")).succeeded(0);
    with(MailPort::Pop3, &format!("tls = \"starttls\"\n{CREDENTIALS}")).succeeded(0);
    with(MailPort::Pop3, WRONG).failed(611, "pop3.refused.apop");
    let wrong = with(MailPort::Pop3s, &format!("tls = \"implicit\"\n{WRONG}"));
    assert!(!wrong.printed().contains("barley"), "{wrong}");
    wrong.failed(611, "pop3.refused.pass");
}

#[test]
fn a_port_without_a_server() {
    let closed = ClosedPort::take().expect("a free port");
    let target = closed.address().unwrap().to_string();
    probe(&target, "[task.smtp]").failed(611, "connect.refused");
    probe(&target, "[task.pop3]").failed(611, "connect.refused");
}
