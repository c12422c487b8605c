//! The server's first flight as it came, for what rustls does not say: that the server insists on Fortezza (RFC 2246
//! appendix A.5, RFC 6101), and the certificates of a flight that breaks off before rustls looks at them (TLS 1.2).
//!
//! Records and handshake messages may be cut anywhere, so that they are read byte by byte as they come; of most messages
//! only the beginning is kept. Alerts may stand between the records; everything ends with the first record of another
//! kind: what follows is encrypted.

use rustls::pki_types::CertificateDer;

/// Handshake messages.
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_REQUEST: u8 = 13;

/// `SSL_FORTEZZA_KEA_WITH_NULL_SHA` and `SSL_FORTEZZA_KEA_WITH_FORTEZZA_CBC_SHA`.
const FORTEZZA_SUITES: [[u8; 2]; 2] = [[0x00, 0x1c], [0x00, 0x1d]];

/// The certificate type `fortezza_dms`.
const FORTEZZA_DMS: u8 = 20;

/// A list of certificate types has at most 255, and one octet before it; the head of a `ServerHello` is shorter.
const KEPT: usize = 256;
/// Of the message with the certificates more is kept; rustls takes no longer ones.
const KEPT_CERTIFICATES: usize = 0xffff;

/// What is read of the flight so far.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    /// The head of the record under way, and what of its contents is still to come.
    record: Vec<u8>,
    in_record: usize,
    /// The head of the message under way, its beginning, and what of it is still to come.
    message: Vec<u8>,
    body: Vec<u8>,
    in_message: usize,
    /// Whether the record under way is an alert, of which nothing is read.
    is_alert: bool,
    over: bool,
    fortezza: bool,
    certificates: Vec<CertificateDer<'static>>,
}

const RECORD_HEAD: usize = 5;
const MESSAGE_HEAD: usize = 4;

impl Flight {
    /// Whether the server insists on Fortezza.
    pub(crate) const fn is_fortezza(&self) -> bool {
        self.fortezza
    }

    /// The certificates that came in clear, the leaf first.
    pub(crate) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Reads on.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while !self.over && !bytes.is_empty() {
            if self.in_record == 0 {
                bytes = fill(&mut self.record, RECORD_HEAD, bytes);
                if let [kind, _, _, high, low] = self.record[..] {
                    self.record.clear();
                    self.begin_record(kind, u16::from_be_bytes([high, low]));
                }
            } else {
                let (now, later) = bytes.split_at(bytes.len().min(self.in_record));
                self.in_record -= now.len();
                if !self.is_alert {
                    self.read_messages(now);
                }
                bytes = later;
            }
        }
    }

    fn begin_record(&mut self, kind: u8, length: u16) {
        const ALERT: u8 = 21;
        const HANDSHAKE: u8 = 22;
        self.is_alert = kind == ALERT;
        self.over = !matches!(kind, ALERT | HANDSHAKE);
        self.in_record = usize::from(length);
    }

    fn read_messages(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.message.len() < MESSAGE_HEAD {
                bytes = fill(&mut self.message, MESSAGE_HEAD, bytes);
                if let [_, high, middle, low] = self.message[..] {
                    self.in_message = u32::from_be_bytes([0, high, middle, low]) as usize;
                }
            } else {
                let (now, later) = bytes.split_at(bytes.len().min(self.in_message));
                let most = if self.message[0] == CERTIFICATE { KEPT_CERTIFICATES } else { KEPT };
                fill(&mut self.body, most, now);
                self.in_message -= now.len();
                bytes = later;
            }
            if self.message.len() == MESSAGE_HEAD && self.in_message == 0 {
                self.judge();
                self.message.clear();
                self.body.clear();
            }
        }
    }

    fn judge(&mut self) {
        if self.message[0] == CERTIFICATE {
            self.certificates = certificates(&self.body).unwrap_or_default();
        }
        self.fortezza |= match self.message[0] {
            SERVER_HELLO => suite(&self.body).is_some_and(|suite| FORTEZZA_SUITES.contains(&suite)),
            CERTIFICATE_REQUEST => match self.body[..] {
                [count, ref types @ ..] if count > 0 => {
                    types.iter().take(usize::from(count)).all(|kind| *kind == FORTEZZA_DMS)
                }
                _ => false,
            },
            _ => false,
        };
    }
}

/// The list of certificates, each behind its length (RFC 5246 section 7.4.2).
fn certificates(body: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    const LENGTH: usize = 3;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
    let (length, mut rest) = body.split_at_checked(LENGTH)?;
    let mut found = Vec::new();
    if number(length) != rest.len() {
        return None;
    }
    while !rest.is_empty() {
        let (length, behind) = rest.split_at_checked(LENGTH)?;
        let (certificate, behind) = behind.split_at_checked(number(length))?;
        found.push(certificate.to_vec().into());
        rest = behind;
    }
    Some(found)
}

/// The suite that a `ServerHello` picks: it stands behind version, random and session id (RFC 5246 section 7.4.1.3).
fn suite(hello: &[u8]) -> Option<[u8; 2]> {
    const BEFORE_SESSION: usize = 2 + 32;
    let session = usize::from(*hello.get(BEFORE_SESSION)?);
    let at = BEFORE_SESSION + 1 + session;
    hello.get(at..at + 2)?.try_into().ok()
}

/// Takes bytes until there are so many, and hands back the others.
fn fill<'a>(kept: &mut Vec<u8>, most: usize, bytes: &'a [u8]) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(bytes.len().min(most - kept.len()));
    kept.extend_from_slice(taken);
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, contents: &[u8]) -> Vec<u8> {
        let [high, low] = u16::try_from(contents.len()).expect("short").to_be_bytes();
        [&[kind, 3, 3, high, low], contents].concat()
    }

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let [_, high, middle, low] = u32::try_from(body.len()).expect("short").to_be_bytes();
        [&[kind, high, middle, low], body].concat()
    }

    fn hello(suite: [u8; 2]) -> Vec<u8> {
        message(SERVER_HELLO, &[&[3, 3][..], &[7; 32], &[4, 1, 2, 3, 4], &suite, &[0]].concat())
    }

    fn is_fortezza(bytes: &[u8]) -> bool {
        let flight = |step: usize| {
            let mut flight = Flight::default();
            bytes.chunks(step).for_each(|chunk| flight.read(chunk));
            flight.is_fortezza()
        };
        assert_eq!(flight(1), flight(bytes.len()), "it does not matter how it is cut");
        flight(7)
    }

    #[test]
    fn fortezza_is_seen_in_the_suite_and_in_the_request() {
        let certificate = message(11, &[1; 5000]);
        let request = |types: &[u8]| {
            let count = u8::try_from(types.len()).expect("short");
            message(CERTIFICATE_REQUEST, &[&[count], types, &[0, 2, 4, 3, 0, 0]].concat())
        };
        let rows = [
            (record(22, &hello([0x00, 0x1c])), true),
            (record(22, &hello([0x00, 0x1d])), true),
            (record(22, &hello([0xc0, 0x2b])), false),
            (record(22, &[hello([0xc0, 0x2b]), certificate.clone(), request(&[20])].concat()), true),
            (
                [record(22, &hello([0xc0, 0x2b])), record(22, &certificate), record(22, &request(&[20, 20]))].concat(),
                true,
            ),
            (record(22, &[hello([0xc0, 0x2b]), certificate, request(&[20, 64])].concat()), false),
            (record(22, &[hello([0xc0, 0x2b]), request(&[])].concat()), false),
            ([record(20, &[1]), record(22, &hello([0x00, 0x1c]))].concat(), false),
            ([record(21, &[1, 112]), record(22, &hello([0x00, 0x1c]))].concat(), true),
        ];
        for (index, (bytes, wanted)) in rows.iter().enumerate() {
            assert_eq!(is_fortezza(bytes), *wanted, "row {index}");
        }
    }

    #[test]
    fn certificates_in_clear_are_kept() {
        let list = message(CERTIFICATE, &[0, 0, 11, 0, 0, 2, 1, 2, 0, 0, 3, 3, 4, 5]);
        let mut flight = Flight::default();
        flight.read(&record(22, &[hello([0xc0, 0x2b]), list].concat()));
        let found: Vec<_> = flight.certificates().iter().map(|certificate| certificate.to_vec()).collect();
        assert_eq!(found, [vec![1, 2], vec![3, 4, 5]]);
        let mut flight = Flight::default();
        flight.read(&record(22, &message(CERTIFICATE, &[0, 0, 9, 0, 0, 2, 1])));
        assert!(flight.certificates().is_empty());
    }
}
