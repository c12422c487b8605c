//! The table `[task.ping]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use probes::address::{Endpoint, Host};
use probes::ping::Ping;
use probes::spec::Spec;

use super::service::authority;
use super::{Around, Specs, Target, tls};
use crate::reader::Table;

/// What the table says of every target.
struct Keys {
    count: u16,
    interval: Duration,
    wait: Duration,
    size: usize,
    ttl: u8,
    max_loss: f64,
    warn_loss: Option<f64>,
    dont_fragment: bool,
}

/// Values without a key of their own saying otherwise, in the units of [`Ping`].
const DEFAULT_COUNT: u16 = 10;
const DEFAULT_INTERVAL: Duration = Duration::from_millis(200);
const DEFAULT_WAIT: Duration = Duration::from_secs(2);
const DEFAULT_SIZE: usize = 56;
const DEFAULT_TTL: u8 = 64;

/// A series longer than that is a measurement of its own, not a probe.
const MOST_REQUESTS: u16 = 1000;
/// An IP packet of 65,535 bytes without the headers of IPv4 and ICMP.
const MOST_DATA: usize = 65_507;

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    // A ping has no TLS, and name servers may.
    let trust = tls::read(around.tls.as_ref()).ready().trust;
    let keys = around.task.table("ping").map(|table| {
        let keys = read_keys(&table);
        check_series(around, &table, &keys);
        keys
    });
    let Some(keys) = keys else { return Specs { probes: Vec::new(), trust } };
    let probe = |target: &Target<'_>| {
        let &Keys { count, interval, wait, size, ttl, max_loss, warn_loss, dont_fragment } = &keys;
        let endpoint = Endpoint { host: host(target)?, port: 0 };
        let ping = Ping { endpoint, count, interval, wait, size, ttl, max_loss, warn_loss, dont_fragment };
        Some((target.text.clone(), Spec::Ping(ping)))
    };
    Specs { probes: targets.iter().filter_map(probe).collect(), trust }
}

fn read_keys(table: &Table<'_>) -> Keys {
    Keys {
        count: whole(table, "count", 1..=MOST_REQUESTS).unwrap_or(DEFAULT_COUNT),
        interval: table.duration("interval").unwrap_or(DEFAULT_INTERVAL),
        wait: table.duration("wait").unwrap_or(DEFAULT_WAIT),
        size: whole(table, "size", 0..=MOST_DATA).unwrap_or(DEFAULT_SIZE),
        ttl: whole(table, "ttl", 1..=u8::MAX).unwrap_or(DEFAULT_TTL),
        max_loss: table.share("max_loss").unwrap_or(1.0),
        warn_loss: table.share("warn_loss"),
        dont_fragment: table.boolean("dont_fragment").unwrap_or(false),
    }
}

/// A series that ends after the run, and a warning that comes after the failure, are mistakes.
fn check_series(around: &Around<'_, '_>, table: &Table<'_>, keys: &Keys) {
    let &Keys { count, interval, max_loss, .. } = keys;
    if keys.warn_loss.is_some_and(|warn_loss| warn_loss > max_loss) {
        table.fail_at("warn_loss", "`warn_loss` is above `max_loss`, so that the failure would come first");
    }
    let (sent, timeout) = (interval * u32::from(count - 1), around.timeout);
    if sent >= timeout {
        let item = table.take("count").or_else(|| table.take("interval")).or_else(|| around.task.take("timeout"));
        let message =
            format!("{count} requests, one every {interval:?}, are sent in {sent:?}, and the run may take {timeout:?}");
        match item {
            Some(item) => item.fail(message),
            None => table.fail(message),
        }
    }
}

fn whole<N: TryFrom<u64> + TryInto<u64> + Copy>(
    table: &Table<'_>,
    key: &'static str,
    range: RangeInclusive<N>,
) -> Option<N> {
    let end = |end: N| end.try_into().unwrap_or(0);
    N::try_from(table.integer(key, end(*range.start())..end(*range.end()) + 1)?).ok()
}

fn host(target: &Target<'_>) -> Option<Host> {
    const HELP: &str = "a PING target is a host without a port, as in www.example.com, 192.0.2.7 or 2001:db8::7";
    let text = authority(target, "ping", "host", HELP)?;
    match (Host::parse(text), Endpoint::parse(text, None)) {
        (Ok(host), _) => return target.can_be_looked_up(&host).then_some(host),
        (Err(_), Ok(Endpoint { port, .. })) => {
            target.fail_with_help(format!("a ping has no port, and `{port}` is one"), HELP);
        }
        (Err(error), Err(_)) => target.fail_with_help(format!("`{text}` is no host: {error}"), HELP),
    }
    None
}
