//! The table `[task.udp]`.

use std::time::Duration;

use probes::address::Endpoint;
use probes::spec::Spec;
use probes::udp::Udp;

use super::payload::bytes;
use super::{Around, Specs, Target, tls};

/// How long an ICMP message is waited for.
const DEFAULT_WAIT: Duration = Duration::from_secs(1);

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    let nothing = || Specs { probes: Vec::new(), trust: None };
    // UDP itself has no TLS, but a name server of the task may.
    let encryption = tls::read(around.tls.as_ref()).ready();
    let Some(table) = around.task.table("udp") else { return nothing() };
    let payload = bytes(&table, "send", "send_hex").unwrap_or_default();
    let expect = bytes(&table, "expect", "expect_hex");
    let wait = table.duration("wait").unwrap_or(DEFAULT_WAIT);
    let probe = |target: &Target<'_>| {
        let udp = Udp { endpoint: endpoint(target)?, payload: payload.clone(), expect: expect.clone(), wait };
        Some((target.text.clone(), Spec::Udp(udp)))
    };
    Specs { probes: targets.iter().filter_map(probe).collect(), trust: encryption.trust }
}

fn endpoint(target: &Target<'_>) -> Option<Endpoint> {
    let text = target.text.strip_prefix("udp://").unwrap_or(&target.text);
    let text = text.strip_suffix('/').unwrap_or(text);
    match Endpoint::parse(text, None) {
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            target.fail_with_help(
                format!("`{}`: {error}", target.text),
                "a UDP target is host:port, as in time.example.com:123 or [2001:db8::7]:123",
            );
            None
        }
    }
}
