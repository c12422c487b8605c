//! What was said and heard in plain protocols, kept for the evidence and told to whoever listens.

use crate::evidence::Exchange;
use crate::net::Attempt;

/// The evidence shows this much of what was said and heard, this many times.
const EXCERPT: usize = 512;
const MOST_EXCHANGES: usize = 32;

/// As much of it as the evidence shows.
pub(crate) fn excerpt(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(EXCERPT)]
}

/// A text as it stands; bytes that are no UTF-8 as `\xff`, so that nothing of them is lost.
fn readable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    text
}

impl Attempt<'_> {
    /// Keeps the lines that were heard as the answer to what was said last, and tells them.
    pub(crate) fn note_answer(&mut self, received: &[u8]) {
        let received = received.strip_suffix(b"\n").unwrap_or(received);
        let received = received.strip_suffix(b"\r").unwrap_or(received);
        let said = self.evidence.dialogue.pop_if(|last| last.received.is_none()).and_then(|last| last.sent);
        self.note(None, Some(received));
        match self.evidence.dialogue.last_mut() {
            Some(last) if said.is_some() => last.sent = said,
            _ => {}
        }
    }

    /// Keeps one exchange, or the half of one, and tells it.
    pub(crate) fn note(&mut self, sent: Option<&[u8]>, received: Option<&[u8]>) {
        let text = |bytes: &[u8]| {
            // Struck out before it is cut, so that no secret is left in part.
            let struck = self.tainted.strike_bytes(&self.conditions.secrets.strike_bytes(bytes));
            readable(excerpt(&struck))
        };
        let exchange = Exchange { sent: sent.map(text), received: received.map(text) };
        for (mark, text) in [('>', &exchange.sent), ('<', &exchange.received)] {
            for line in text.iter().flat_map(|text| text.lines()) {
                tracing::debug!(target: "conversation", "{mark} {line}");
            }
        }
        let long = |bytes: Option<&[u8]>| bytes.is_some_and(|bytes| bytes.len() > EXCERPT);
        if self.evidence.dialogue.len() >= MOST_EXCHANGES || long(sent) || long(received) {
            self.evidence.truncated = true;
        }
        if self.evidence.dialogue.len() < MOST_EXCHANGES {
            self.evidence.dialogue.push(exchange);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_told_apart() {
        assert_eq!(readable(b"a\xff\xc3\xa9\xc3"), "a\\xff\u{e9}\\xc3");
        assert_eq!(readable("caf\u{e9}\n".as_bytes()), "caf\u{e9}\n");
    }
}
