//! How little a hostile peer gets.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::house::{House, hear};

const NOTHING: &str = "[[task]]\nname = \"module\"\n[task.tcp]\n";

#[test]
fn a_head_that_never_ends_is_cut_off_in_size_and_in_time() {
    let house = House::open("", NOTHING);
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(40 * 1024));
    assert_eq!(house.say(large.as_bytes()).status, 431);
    let many = "X: y\r\n".repeat(200);
    assert_eq!(house.ask("GET", "/", &many).status, 431);
    // A byte now and then is no head: the connection ends by itself.
    let mut slow = house.knock();
    let begun = Instant::now();
    slow.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nX: ").expect("the door takes a beginning");
    let mut rest = [0; 1024];
    while slow.read(&mut rest).is_ok_and(|length| length > 0) {}
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn what_is_no_http_ends_the_connection_and_nothing_else() {
    let house = House::open("", NOTHING);
    for words in ["\r\n\r\nnonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u{16}\u{3}\u{1}"] {
        let mut stream = house.knock();
        stream.write_all(words.as_bytes()).expect("the door takes anything");
        let _ = stream.shutdown(std::net::Shutdown::Write);
        assert!(hear(stream).status != 200, "{words:?}");
    }
    assert_eq!(house.get("/-/healthy").status, 200);
}

#[test]
fn closing_lets_what_is_under_way_end_and_takes_nothing_more() {
    let mut house = House::open("", NOTHING);
    let idle = house.knock();
    assert_eq!(house.get("/-/healthy").status, 200);
    let _ = house.stop.take().expect("the door is open").send(());
    let served = house.served.take().expect("the door is served");
    let begun = Instant::now();
    let ended = house.runtime.block_on(served).expect("serving does not panic");
    assert_eq!(ended, Ok(()));
    assert!(begun.elapsed() < Duration::from_secs(5), "an idle connection holds the end up");
    drop(idle);
    assert!(std::net::TcpStream::connect(house.address).is_err());
}
