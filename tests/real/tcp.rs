//! TCP: connections to nginx, and what is said over them.

use crate::run::{Run, probe};
use crate::stack::{ClosedPort, Listener, stack};

const REQUEST: &str = "send = \"GET / HTTP/1.0\\r\\n\\r\\n\"";

/// Probes a listener with the lines of a `[task.tcp]`.
fn tcp(listener: Listener, lines: &str) -> Run {
    let ca = stack().certificate("ca.pem");
    let lines = format!("timeout = \"5s\"\n[task.tls]\nca_file = {ca:?}\n[task.tcp]\n{lines}");
    probe(&stack().address(listener).to_string(), &lines)
}

#[test]
fn a_port_that_accepts() {
    tcp(Listener::Plain, "").succeeded(0).with_phases(&["connect"]);
}

#[test]
fn a_port_that_refuses() {
    let closed = ClosedPort::take().expect("a free port");
    probe(&closed.address().unwrap().to_string(), "[task.tcp]")
        .failed(611, "connect.refused")
        .with_phases(&["connect"]);
}

#[test]
fn an_answer_as_expected() {
    tcp(Listener::Plain, &format!("{REQUEST}\nexpect = \"200 OK\""))
        .succeeded(0)
        .with_phases(&["connect", "send", "wait", "receive"]);
    // "GET / HTTP/1.0" with two ends of line, and "200 OK".
    let hex = "send_hex = \"474554202f20485454502f312e300d0a0d0a\"\nexpect_hex = \"323030204f4b\"";
    tcp(Listener::Plain, hex).succeeded(0);
}

#[test]
fn an_answer_with_something_else() {
    tcp(Listener::Plain, &format!("{REQUEST}\nexpect = \"220 ready\"")).failed(615, "tcp.content.absent");
}

#[test]
fn no_answer_to_nothing() {
    let target = stack().address(Listener::Plain).to_string();
    probe(&target, "timeout = \"500ms\"\n[task.tcp]\nexpect = \"220\"").failed(610, "wait.timeout");
}

#[test]
fn a_message_that_is_taken() {
    tcp(Listener::Plain, REQUEST).succeeded(0);
}

#[test]
fn a_dialogue() {
    let lines = "dialogue = [ { send = \"GET / HTTP/1.0\\r\\n\\r\\n\" }, { expect_regex = \"^HTTP/1.1 200\" } ]";
    tcp(Listener::Plain, lines).succeeded(0);
}

#[test]
fn an_answer_over_tls() {
    tcp(Listener::Tls, &format!("tls = true\n{REQUEST}\nexpect = \"200 OK\""))
        .succeeded(0)
        .with_phases(&["connect", "tls", "send", "wait", "receive"])
        .with("/evidence/tls/version", "TLSv1.3");
}

#[test]
fn tls_that_does_not_come_up() {
    tcp(Listener::Expired, "tls = true").failed(611, "tls.certificate.expired").with_phases(&["connect", "tls"]);
    tcp(Listener::Plain, "tls = true").failed(611, "tls.not_tls").with_phases(&["connect", "tls"]);
}
