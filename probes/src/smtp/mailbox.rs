//! Mail addresses as SMTP has them (RFC 5321 section 4.1.2): what is none is never sent.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Octets of a local part, and of a domain (RFC 5321 section 4.5.3.1).
const LONGEST_LOCAL_PART: usize = 64;
const LONGEST_DOMAIN: usize = 255;
const LONGEST_LABEL: usize = 63;

/// The path for MAIL FROM: a mailbox, or `<>` for nobody.
pub(super) fn reverse_path(text: &str) -> Option<String> {
    (text == "<>" || is_mailbox(bare(text))).then(|| format!("<{}>", bare(text)))
}

/// The path for RCPT TO: a mailbox, or the postmaster, who needs no domain.
pub(super) fn forward_path(text: &str) -> Option<String> {
    let text = bare(text);
    (text.eq_ignore_ascii_case("postmaster") || is_mailbox(text)).then(|| format!("<{text}>"))
}

/// Without the angle brackets that may stand around it.
fn bare(text: &str) -> &str {
    text.strip_prefix('<').and_then(|text| text.strip_suffix('>')).unwrap_or(text)
}

fn is_mailbox(text: &str) -> bool {
    // The last one: a quoted local part may have others.
    text.rsplit_once('@').is_some_and(|(local, domain)| is_local_part(local) && is_domain(domain))
}

fn is_local_part(text: &str) -> bool {
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    text.len() <= LONGEST_LOCAL_PART && quoted.map_or_else(|| text.split('.').all(is_atom), is_quoted_content)
}

fn is_atom(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
}

fn is_quoted_content(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fine = match byte {
            b'"' => false,
            b'\\' => bytes.next().is_some_and(|escaped| matches!(escaped, b' '..=b'~')),
            _ => matches!(byte, b' '..=b'~'),
        };
        if !fine {
            return false;
        }
    }
    true
}

fn is_domain(text: &str) -> bool {
    if let Some(literal) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        let sixth = literal.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("IPv6:"));
        return if sixth { literal[5..].parse::<Ipv6Addr>().is_ok() } else { literal.parse::<Ipv4Addr>().is_ok() };
    }
    text.len() <= LONGEST_DOMAIN && text.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    (1..=LONGEST_LABEL).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_a_local_part_and_a_domain() {
        let long_label = format!("a@{}.test", "b".repeat(64));
        let long_local = format!("{}@b.test", "a".repeat(65));
        let rows = [
            ("probe@example.com", true),
            ("<probe@example.com>", true),
            ("a.b+c=d@mail-1.example.com", true),
            ("\"a b@c\\\"\"@example.com", true),
            ("a@[192.0.2.7]", true),
            ("a@[IPv6:2001:db8::7]", true),
            ("a@localhost", true),
            ("", false),
            ("a", false),
            ("@b", false),
            ("a@", false),
            ("a b@c", false),
            ("a@b c", false),
            ("a..b@c", false),
            (".a@c", false),
            ("a@b..c", false),
            ("a@b.", false),
            ("a@-b", false),
            ("a@b\r\nDATA", false),
            ("a\0@b", false),
            ("\"a\r\n\"@b", false),
            ("\"a\"b\"@c", false),
            ("a@[300.0.0.1]", false),
            ("a@[2001:db8::7]", false),
            ("<a@b", false),
            ("ä@example.com", false),
            ("a@bücher.example", false),
            (&long_label, false),
            (&long_local, false),
        ];
        for (text, wanted) in rows {
            assert_eq!(is_mailbox(bare(text)), wanted, "{text:?}");
        }
    }

    #[test]
    fn nobody_sends_and_the_postmaster_receives() {
        assert_eq!(reverse_path("<>").as_deref(), Some("<>"));
        assert_eq!(forward_path("Postmaster").as_deref(), Some("<Postmaster>"));
        assert_eq!(forward_path("a@b").as_deref(), Some("<a@b>"));
        for none in [forward_path("<>"), reverse_path(""), reverse_path("Postmaster")] {
            assert_eq!(none, None);
        }
    }
}
