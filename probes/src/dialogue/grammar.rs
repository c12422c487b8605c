//! How lines become replies: three digits (RFC 959 section 4.2, RFC 5321 section 4.2), or `+OK` and `-ERR` (RFC 1939).

use super::Cause;

/// A line that is no part of a reply.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotAReply;

/// A way to write replies. A fresh clone reads each of them.
pub(crate) trait Grammar: Clone {
    /// What lines become.
    type Reply: Clone + std::fmt::Debug;

    /// Takes the next line, without its end; returns the reply with its last one.
    fn take(&mut self, line: &[u8]) -> Result<Option<Self::Reply>, NotAReply>;

    /// Whether a line that begins so can still be taken.
    fn allows(&self, beginning: &[u8]) -> bool;

    /// The reply in the server's words.
    fn said(reply: &Self::Reply) -> Vec<u8>;

    /// Whether it says no, whatever was asked.
    fn is_refusal(reply: &Self::Reply) -> bool;

    /// In which way it says no, if it does.
    fn refusal(reply: &Self::Reply) -> Cause;

    /// Whether a reply that begins so can say that the server goes away.
    fn begins_farewell(beginning: &[u8]) -> bool;
}

/// A number and the texts that came with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Reply {
    /// 100 to 599.
    pub(crate) code: u16,
    /// The texts of its lines, without the number where one stood.
    pub(crate) lines: Vec<Vec<u8>>,
}

impl Reply {
    /// Whether it says that another one will follow (1yz).
    pub(crate) const fn is_preliminary(&self) -> bool {
        self.code / 100 == 1
    }

    /// The text of its last line.
    pub(crate) fn last(&self) -> &[u8] {
        self.lines.last().map_or(&[], Vec::as_slice)
    }
}

/// Replies that begin with three digits; in a reply of several lines they are followed by `-` on the first one.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    /// Whether every line begins with the number (SMTP), or the first and the last one only (FTP).
    every_line: bool,
    code: Option<u16>,
    lines: Vec<Vec<u8>>,
}

impl Numbered {
    /// RFC 5321: every line begins with the same number.
    pub(crate) const fn smtp() -> Self {
        Self { every_line: true, code: None, lines: Vec::new() }
    }

    /// RFC 959: after the first line anything may stand, until a line begins with the same number and a space, or is
    /// the number alone.
    pub(crate) const fn ftp() -> Self {
        Self { every_line: false, code: None, lines: Vec::new() }
    }

    fn finish(&mut self, code: u16, text: &[u8]) -> Reply {
        self.lines.push(text.to_vec());
        Reply { code, lines: std::mem::take(&mut self.lines) }
    }
}

impl Grammar for Numbered {
    type Reply = Reply;

    fn take(&mut self, line: &[u8]) -> Result<Option<Reply>, NotAReply> {
        let head = head(line);
        match (self.code, head) {
            // Many servers leave the space out where no text follows.
            (None, Some((code, None | Some(b' '), text))) => Ok(Some(self.finish(code, text))),
            (None, Some((code, Some(b'-'), text))) => {
                self.code = Some(code);
                self.lines.push(text.to_vec());
                Ok(None)
            }
            (None, _) => Err(NotAReply),
            (Some(first), Some((code, None | Some(b' '), text))) if code == first => Ok(Some(self.finish(code, text))),
            (Some(first), Some((code, Some(b'-'), text))) if code == first && self.every_line => {
                self.lines.push(text.to_vec());
                Ok(None)
            }
            (Some(_), _) if self.every_line => Err(NotAReply),
            (Some(_), _) => {
                self.lines.push(line.to_vec());
                Ok(None)
            }
        }
    }

    fn allows(&self, beginning: &[u8]) -> bool {
        if self.code.is_some() && !self.every_line {
            return true;
        }
        let known = &beginning[..beginning.len().min(4)];
        let fits = |(index, byte): (usize, &u8)| match index {
            0 => matches!(byte, b'1'..=b'5'),
            1 | 2 => byte.is_ascii_digit(),
            _ => matches!(byte, b' ' | b'-' | b'\r'),
        };
        known.iter().enumerate().all(fits)
    }

    fn said(reply: &Reply) -> Vec<u8> {
        joined(reply.code.to_string().as_bytes(), reply.last())
    }

    fn is_refusal(reply: &Reply) -> bool {
        reply.code >= 300
    }

    fn refusal(reply: &Reply) -> Cause {
        match reply.code {
            421 => Cause::Unavailable,
            530 => Cause::NotLoggedIn,
            _ => Cause::Refused,
        }
    }

    fn begins_farewell(beginning: &[u8]) -> bool {
        beginning.iter().zip(b"421").all(|(byte, wanted)| byte == wanted)
    }
}

/// A reply's mark and its text, with a space where both are.
fn joined(mark: &[u8], text: &[u8]) -> Vec<u8> {
    if text.is_empty() { mark.to_vec() } else { [mark, text].join(&b' ') }
}

/// The number of a line, what stands behind it, and the text after that.
fn head(line: &[u8]) -> Option<(u16, Option<u8>, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    let [first @ b'1'..=b'5', second @ b'0'..=b'9', third @ b'0'..=b'9'] = digits else { return None };
    let digit = |byte: &u8| u16::from(byte - b'0');
    let code = digit(first) * 100 + digit(second) * 10 + digit(third);
    Some((code, rest.first().copied(), rest.get(1..).unwrap_or_default()))
}

/// A POP3 reply.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StatusReply {
    /// `+OK`, not `-ERR`.
    pub(crate) ok: bool,
    /// What stands behind the indicator.
    pub(crate) text: Vec<u8>,
}

/// `+OK` or `-ERR`, in one line; no command of ours lists anything behind it.
#[derive(Clone, Debug)]
pub(crate) struct Status;

impl Grammar for Status {
    type Reply = StatusReply;

    fn take(&mut self, line: &[u8]) -> Result<Option<StatusReply>, NotAReply> {
        let (ok, rest) = match (line.strip_prefix(b"+OK"), line.strip_prefix(b"-ERR")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return Err(NotAReply),
        };
        if !matches!(rest, [] | [b' ' | b'\t', ..]) {
            return Err(NotAReply);
        }
        Ok(Some(StatusReply { ok, text: rest.trim_ascii_start().to_vec() }))
    }

    fn allows(&self, beginning: &[u8]) -> bool {
        let begins = |word: &[u8]| beginning.iter().zip(word).all(|(byte, wanted)| byte == wanted);
        begins(b"+OK") || begins(b"-ERR")
    }

    fn said(reply: &StatusReply) -> Vec<u8> {
        joined(if reply.ok { b"+OK" } else { b"-ERR" }, &reply.text)
    }

    fn is_refusal(reply: &StatusReply) -> bool {
        !reply.ok
    }

    fn refusal(_: &StatusReply) -> Cause {
        Cause::Refused
    }

    /// POP3 has no such reply.
    fn begins_farewell(_: &[u8]) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number and texts of the reply that these lines are; `None` while it is incomplete.
    fn numbered(mut grammar: Numbered, text: &str) -> Result<Option<(u16, Vec<String>)>, NotAReply> {
        for line in text.lines() {
            if let Some(reply) = grammar.take(line.as_bytes())? {
                let text = |line: &Vec<u8>| String::from_utf8_lossy(line).into_owned();
                return Ok(Some((reply.code, reply.lines.iter().map(text).collect())));
            }
        }
        Ok(None)
    }

    fn reply(code: u16, lines: &[&str]) -> (u16, Vec<String>) {
        (code, lines.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn one_line_is_a_number_and_a_text() {
        for grammar in [Numbered::smtp(), Numbered::ftp()] {
            assert_eq!(numbered(grammar.clone(), "220 hello - you"), Ok(Some(reply(220, &["hello - you"]))));
            assert_eq!(numbered(grammar.clone(), "220"), Ok(Some(reply(220, &[""]))));
            for garbage in ["", "22", "2200 x", "22x hello", " 220 x", "099 x", "600 x", "220_x", "SSH-2.0-x", "220\0"]
            {
                assert_eq!(numbered(grammar.clone(), &format!("{garbage}\n")), Err(NotAReply), "{garbage:?}");
            }
        }
    }

    #[test]
    fn every_line_of_smtp_has_the_number() {
        assert_eq!(numbered(Numbered::smtp(), "250-a\n250-b\n250 c"), Ok(Some(reply(250, &["a", "b", "c"]))));
        assert_eq!(numbered(Numbered::smtp(), "250-a\n250"), Ok(Some(reply(250, &["a", ""]))));
        assert_eq!(numbered(Numbered::smtp(), "250-a\n250-b"), Ok(None));
        assert_eq!(numbered(Numbered::smtp(), "250-a\n251 b"), Err(NotAReply));
        assert_eq!(numbered(Numbered::smtp(), "250-a\nb"), Err(NotAReply));
    }

    #[test]
    fn anything_stands_between_the_lines_of_ftp() {
        let text = "230-a\n  230 b\n231 c\n230-d\n\n230 e";
        assert_eq!(numbered(Numbered::ftp(), text), Ok(Some(reply(230, &["a", "  230 b", "231 c", "230-d", "", "e"]))));
        assert_eq!(numbered(Numbered::ftp(), "230-a\n421 b"), Ok(None));
        assert_eq!(numbered(Numbered::ftp(), "230-a\n230\nb"), Ok(Some(reply(230, &["a", ""]))));
    }

    #[test]
    fn beginnings_that_can_become_nothing_are_told_at_once() {
        let rows =
            [("", true), ("2", true), ("220", true), ("220-", true), ("220\r", true), ("6", false), ("2x", false)];
        for (beginning, wanted) in rows {
            assert_eq!(Numbered::ftp().allows(beginning.as_bytes()), wanted, "{beginning:?}");
            assert_eq!(Numbered::smtp().allows(beginning.as_bytes()), wanted, "{beginning:?}");
        }
        let mut open = Numbered::ftp();
        assert_eq!(open.take(b"220-a"), Ok(None));
        assert!(open.allows(b"anything"));
        for (beginning, wanted) in
            [("", true), ("+O", true), ("+OK x", true), ("-E", true), ("+X", false), ("2", false)]
        {
            assert_eq!(Status.allows(beginning.as_bytes()), wanted, "{beginning:?}");
        }
    }

    #[test]
    fn status_replies_are_plus_or_minus() {
        let one = |grammar: &Status, line: &str| grammar.clone().take(line.as_bytes());
        let of = |ok, text: &str| Ok(Some(StatusReply { ok, text: text.as_bytes().to_vec() }));
        assert_eq!(one(&Status, "+OK ready"), of(true, "ready"));
        assert_eq!(one(&Status, "+OK"), of(true, ""));
        assert_eq!(one(&Status, "-ERR [AUTH] no"), of(false, "[AUTH] no"));
        for garbage in ["", "+ok", "+OKAY", "OK", "-ERROR", "220 x"] {
            assert_eq!(one(&Status, garbage), Err(NotAReply), "{garbage:?}");
        }
    }
}
