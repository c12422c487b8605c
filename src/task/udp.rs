//! The table `[task.udp]`.

use std::time::Duration;

use probes::spec::Spec;
use probes::udp::Udp;

use super::payload::bytes;
use super::service::host_and_port;
use super::{Around, Specs, Target, tls};

/// How long an ICMP message is waited for.
const DEFAULT_WAIT: Duration = Duration::from_secs(1);

/// An IP packet of 65,535 bytes without the headers of IPv4 and UDP.
const LARGEST_PAYLOAD: usize = 65_507;

const HELP: &str = "a UDP target is host:port, as in time.example.com:123 or [2001:db8::7]:123";

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    let nothing = || Specs { probes: Vec::new(), trust: None };
    // UDP itself has no TLS, but a name server of the task may.
    let encryption = tls::read(around.tls.as_ref()).ready();
    let Some(table) = around.task.table("udp") else { return nothing() };
    let payload = bytes(&table, "send", "send_hex").unwrap_or_default();
    if payload.len() > LARGEST_PAYLOAD {
        let key = if table.take("send").is_some() { "send" } else { "send_hex" };
        let message = format!("a datagram has at most {LARGEST_PAYLOAD} bytes, and this has {}", payload.len());
        table.fail_at(key, message);
    }
    let expect = bytes(&table, "expect", "expect_hex");
    let wait = table.duration("wait");
    if let Some(wait) = wait.filter(|wait| expect.is_none() && *wait > around.timeout) {
        table.fail_at("wait", format!("`wait` is {wait:?}, and the run may take {:?}", around.timeout));
    }
    let wait = wait.unwrap_or(DEFAULT_WAIT);
    let probe = |target: &Target<'_>| {
        let udp = Udp {
            endpoint: host_and_port(target, "udp", HELP)?,
            payload: payload.clone(),
            expect: expect.clone(),
            wait,
        };
        Some((target.text.clone(), Spec::Udp(udp)))
    };
    Specs { probes: targets.iter().filter_map(probe).collect(), trust: encryption.trust }
}
