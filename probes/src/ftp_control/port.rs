//! The port in a passive reply: `227 … (h1,h2,h3,h4,p1,p2)` (RFC 959), `229 … (|||port|)` (RFC 2428).
//!
//! Only the port counts, but a reply with an octet over 255 or a port that cannot be is unreadable as a whole.

/// The port in the text of a 227 reply: of the first six numbers with commas between them, wherever they stand.
pub(super) fn of_pasv(text: &[u8]) -> Option<u16> {
    let begins = (0..text.len())
        .filter(|at| text[*at].is_ascii_digit() && (*at == 0 || !b"0123456789-,.".contains(&text[at - 1])));
    let six = begins.map(|at| &text[at..]).find_map(six_numbers)?;
    let octets: Vec<u8> = six.iter().map(|number| u8::try_from(*number).ok()).collect::<Option<_>>()?;
    let port = u16::from_be_bytes([octets[4], octets[5]]);
    (port != 0).then_some(port)
}

/// Six numbers at the beginning of a text.
fn six_numbers(text: &[u8]) -> Option<[u32; 6]> {
    let mut numbers = [0; 6];
    let mut rest = text;
    for (index, number) in numbers.iter_mut().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix(b",")?.trim_ascii_start();
        }
        (*number, rest) = number_at(rest)?;
    }
    // A seventh one makes the others doubtful.
    (!rest.trim_ascii_start().starts_with(b",")).then_some(numbers)
}

/// The port in the text of a 229 reply: between the last two of four equal delimiters.
pub(super) fn of_epsv(text: &[u8]) -> Option<u16> {
    let open = memchr::memchr(b'(', text)?;
    let [first, second, third, rest @ ..] = &text[open + 1..] else { return None };
    if first != second || first != third || !(33..=126).contains(first) || first.is_ascii_digit() {
        return None;
    }
    let (number, rest) = number_at(rest)?;
    let closed = rest.first() == Some(first) && rest.get(1) == Some(&b')');
    u16::try_from(number).ok().filter(|port| closed && *port != 0)
}

/// The decimal number at the beginning of a text, and what follows it.
fn number_at(text: &[u8]) -> Option<(u32, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasv_has_six_numbers_somewhere() {
        let rows: [(&str, Option<u16>); 12] = [
            ("Entering Passive Mode (127,0,0,1,200,10).", Some(51210)),
            ("=10,0,0,1,0,21", Some(21)),
            ("Mode 2 (10, 0, 0, 1, 4, 1)", Some(1025)),
            ("(127,0,0,1,256,1)", None),
            ("(127,0,0,256,1,1)", None),
            ("(127,0,0,1,0,0)", None),
            ("(127,0,0,1,200)", None),
            ("(127.0.0.1,200,10)", None),
            ("(127,0,0,1,99999999999,1)", None),
            ("(127,0,0,1,-1,1)", None),
            ("(,,,,,)", None),
            ("", None),
        ];
        for (text, port) in rows {
            assert_eq!(of_pasv(text.as_bytes()), port, "{text}");
        }
    }

    #[test]
    fn epsv_has_a_port_between_delimiters() {
        let rows: [(&str, Option<u16>); 11] = [
            ("Entering Extended Passive Mode (|||6446|)", Some(6446)),
            ("(!!!1!)", Some(1)),
            ("(|||65536|)", None),
            ("(|||0|)", None),
            ("(||| 21|)", None),
            ("(||6446|)", None),
            ("(|||6446)", None),
            ("(|||6446!)", None),
            ("(1116446111)", None),
            ("|||6446|", None),
            ("(|1|127.0.0.1|6446|)", None),
        ];
        for (text, port) in rows {
            assert_eq!(of_epsv(text.as_bytes()), port, "{text}");
        }
    }
}
