//! Transfers, with nginx, vsftpd, ProFTPD and OpenSSL's server at the other end; each code of the book `cat-transfer` comes
//! from a line of their configuration.

use std::process;
use std::time::SystemTime;

#[path = "transfer/http.rs"]
mod http;
#[path = "transfer/openssl.rs"]
mod openssl;
#[path = "transfer/proftpd.rs"]
mod proftpd;
#[path = "transfer/vsftpd.rs"]
mod vsftpd;

/// The lines of a download with this MD5.
fn md5(md5: &str) -> String {
    format!("md5 = {md5:?}")
}

/// The lines of an upload of so many bytes.
fn upload(size: u64) -> String {
    format!("direction = \"upload\"\nsize = {size}")
}

/// A name that no run has used: containers keep what they were sent.
fn unused(name: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("{now}-{}-{name}", process::id())
}

/// The files of the servers with their MD5, as `md5sum` has it.
const NOTICE: &str = "e368939eaaef4aeca9db4be87940ddba";
const BIG: &str = "b561f87202d04959e37588ee05cf5b10";
const ROWS: &str = "8074c9154fdd43e5714656af6141413a";
const ZEDS: &str = "d31eb201935925c68da930af82e27fec";
const WRONG: &str = "d41d8cd98f00b204e9800998ecf8427e";
