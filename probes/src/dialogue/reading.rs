//! Finding replies in bytes as they come: in pieces, several at once, or never to their end.

use super::grammar::Grammar;

/// More than this is no reply.
pub(super) const LONGEST_REPLY: usize = 64 * 1024;

/// What came, and how far the reply at its beginning was read. Both are kept from read to read, so that a reply that comes
/// byte by byte costs no more than one that comes at once, and a wait that was given up is taken up again where it was.
#[derive(Debug)]
pub(super) struct Reading<G: Grammar> {
    whole: G,
    part: G,
    /// What came and was not yet handed on.
    heard: Vec<u8>,
    /// Where the line begins that is not complete.
    line: usize,
    /// Up to where no line end is.
    searched: usize,
    /// The reply, once complete, and where it ends.
    found: Option<(G::Reply, usize)>,
}

/// How far a reply was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// It may be taken.
    Complete,
    /// More of it may come.
    Incomplete,
    /// What came cannot become one.
    Malformed,
}

impl<G: Grammar> Reading<G> {
    pub(super) fn new(grammar: G) -> Self {
        Self { part: grammar.clone(), whole: grammar, heard: Vec::new(), line: 0, searched: 0, found: None }
    }

    /// What came and was not yet handed on.
    pub(super) fn heard(&self) -> &[u8] {
        &self.heard
    }

    /// Where more is to be put.
    pub(super) const fn room(&mut self) -> &mut Vec<u8> {
        &mut self.heard
    }

    /// Reads on in what came.
    pub(super) fn state(&mut self) -> State {
        while self.found.is_none() {
            let Some(at) = memchr::memchr(b'\n', &self.heard[self.searched..]) else {
                self.searched = self.heard.len();
                let dead = self.is_too_long() || !self.part.allows(&self.heard[self.line..]);
                return if dead { State::Malformed } else { State::Incomplete };
            };
            let end = self.searched + at;
            let line = &self.heard[self.line..end];
            match self.part.take(line.strip_suffix(b"\r").unwrap_or(line)) {
                Ok(_) if end >= LONGEST_REPLY => return State::Malformed,
                Ok(reply) => self.found = reply.map(|reply| (reply, end + 1)),
                Err(_) => return State::Malformed,
            }
            (self.line, self.searched) = (end + 1, end + 1);
        }
        State::Complete
    }

    /// Whether there is more than any reply has.
    pub(super) fn is_too_long(&self) -> bool {
        self.heard.len() > LONGEST_REPLY
    }

    /// The complete reply, if it is one that is yet to be taken.
    pub(super) fn reply(&self) -> Option<&G::Reply> {
        self.found.as_ref().map(|(reply, _)| reply)
    }

    /// Takes the complete reply and its bytes; what came behind it stays for the next one.
    pub(super) fn take(&mut self) -> Option<(G::Reply, Vec<u8>)> {
        let (reply, end) = self.found.take()?;
        let bytes = self.heard.drain(..end).collect();
        (self.part, self.line, self.searched) = (self.whole.clone(), 0, 0);
        Some((reply, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::super::grammar::Numbered;
    use super::*;

    fn reading() -> Reading<Numbered> {
        Reading::new(Numbered::ftp())
    }

    #[test]
    fn a_reply_byte_by_byte_is_the_same_reply() {
        let text = b"220-hello\n\r\n220 you\r\n331 next";
        let mut reading = reading();
        let mut complete = 0;
        for byte in text {
            reading.room().push(*byte);
            complete += usize::from(reading.state() == State::Complete && reading.take().is_some());
        }
        assert_eq!((complete, reading.state()), (1, State::Incomplete));
        assert_eq!(reading.heard(), b"331 next");
    }

    #[test]
    fn several_replies_at_once_are_taken_one_by_one() {
        let mut reading = reading();
        reading.room().extend(b"220 a\r\n331 b\n230-c\r\nd\r\n230 e\r\n");
        for code in [220, 331, 230] {
            assert_eq!(reading.state(), State::Complete);
            assert_eq!(reading.take().map(|(reply, _)| reply.code), Some(code));
        }
        assert_eq!(reading.state(), State::Incomplete);
    }

    #[test]
    fn what_cannot_become_a_reply_stays_malformed() {
        for bytes in [&b"x"[..], b"22\n", b"220 \nabc"] {
            let mut reading = reading();
            reading.room().extend(bytes);
            if reading.state() == State::Complete {
                reading.take();
            }
            assert_eq!([reading.state(), reading.state()], [State::Malformed; 2]);
        }
    }

    #[test]
    fn a_reply_has_64_kib_and_no_more() {
        for (length, wanted) in [(LONGEST_REPLY, State::Complete), (LONGEST_REPLY + 1, State::Malformed)] {
            let mut reading = reading();
            let text = format!("220 {}\r\n", "x".repeat(length - 6));
            reading.room().extend(text.as_bytes());
            assert_eq!(reading.state(), wanted);
        }
        let mut endless = reading();
        endless.room().extend("220-x\r\n".repeat(LONGEST_REPLY).as_bytes());
        assert_eq!(endless.state(), State::Malformed);
    }
}
