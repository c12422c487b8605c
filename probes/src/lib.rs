//! Runs one check of one protocol and says what came of it: a documented code, the phases and the evidence.
//!
//! The modules stand in floors; a module uses modules of lower floors only, and `tests/layers.rs` keeps it so.
//! A failure travels one way: `net` (or a protocol's conversation) makes it a typed [`fault`], the protocol's
//! `classify` gives it its row of the catalogue ([`codes`]), and [`outcome`] puts it beside phases and evidence.

pub mod codes; //    0  the catalogue: books, rows, codes
pub mod phases; //   0  how far a run came and how long each part took
pub mod fault; //    1  what can go wrong below a protocol, as types without numbers
pub mod evidence; // 1  what a person needs to believe a verdict
pub mod secret; //   1  values that no output may show
pub mod address; //  1  hosts and ports, in every spelling
pub mod net; //      2  the only door to the network: names, policy, connections, TLS, the tap
pub mod exchange; // 3  one HTTP exchange over an open connection
pub mod dialogue; // 3  commands and replies over an open connection
pub mod ftp_control; // 4  FTP's control and data connections
pub mod request; //  4  a request over HTTP with its redirects and the rules on its response
pub mod check; //    4  the shape of a protocol
pub mod dns; //      5  DNS: a question to one server, and what it answers
pub mod http; //     5  HTTP and HTTPS
pub mod ping; //     5  PING, by ICMP echo
pub mod tcp; //      5  TCP, with or without TLS and a conversation
pub mod smtp; //     5  SMTP, up to the recipient
pub mod pop3; //     5  POP3, up to the state of the mailbox
pub mod udp; //      5  UDP: a datagram, and what comes back
pub mod ftp; //      5  FTP: log-in, listing, file
pub mod transfer; // 5  file transfer over HTTP(S) and FTP(S)
pub mod api; //      5  steps over TCP, TLS, UDP and HTTP(S), one after the other
pub mod object; //   5  object storage: the files/v1 interface of COS
pub mod outcome; //  6  what one run came to
pub mod spec; //     7  the one list of protocols
