//! PING: the kernel of this host, which answers on loopback, and a second pinger, which nobody here wrote, beside ours.

use std::net::IpAddr;
use std::time::Duration;

use surge_ping::{Client, Config, ICMP, PingIdentifier, PingSequence};

use crate::run::probe;

/// What surge-ping says of a host: how many of so many requests were answered, and the longest time.
async fn second_opinion(host: IpAddr, requests: u16) -> (u16, Duration) {
    let kind = if host.is_ipv4() { ICMP::V4 } else { ICMP::V6 };
    let client = Client::new(&Config::builder().kind(kind).build()).expect("needs root, or a ping group");
    let mut pinger = client.pinger(host, PingIdentifier(0x7e57)).await;
    pinger.timeout(Duration::from_secs(2));
    let (mut answered, mut longest) = (0, Duration::ZERO);
    for number in 0..requests {
        if let Ok((_, time)) = pinger.ping(PingSequence(number), &[7; 56]).await {
            answered += 1;
            longest = longest.max(time);
        }
    }
    (answered, longest)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

#[test]
fn hosts_that_answer_both_pingers_at_once() {
    for host in ["127.0.0.1", "::1"] {
        let address: IpAddr = host.parse().expect("an address");
        let runtime = runtime();
        let second = runtime.spawn(second_opinion(address, 100));
        let run = probe(host, "[task.ping]\ncount = 100\ninterval = \"1ms\"");
        let (answered, longest) = runtime.block_on(second).expect("no panic");
        assert_eq!(answered, 100, "surge-ping lost some of {host}");
        let run = run.succeeded(0).with_phases(&["rtt"]).with("/evidence/icmp/received", 100);
        // What the other one sent and got must not be taken for ours.
        let run = run.with("/evidence/icmp/duplicates", serde_json::Value::Null);
        let shortest = run.at("/evidence/icmp/rtt/min").as_f64().expect("a time in milliseconds");
        assert!(
            shortest <= longest.as_secs_f64() * 1e3,
            "ours took {shortest} ms at least, theirs {longest:?} at most"
        );
    }
}

/// Small requests are told apart by identifier and sequence number alone, beside another pinger too.
#[test]
fn requests_without_data() {
    probe("127.0.0.1", "[task.ping]\nsize = 0\ncount = 20\ninterval = \"1ms\"")
        .succeeded(0)
        .with("/evidence/icmp/received", 20);
}
