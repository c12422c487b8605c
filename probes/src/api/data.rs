//! Bytes of a step: a text as it stands, or hex pairs, with variables in either.

use super::template::{Template, Variables};

/// Bytes as a task gives them.
#[derive(Clone, Debug)]
pub struct Data {
    /// How they are written.
    pub mode: Mode,
    /// The text.
    pub template: Template,
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// The bytes of the text, without conversion.
    #[default]
    Text,
    /// Hex pairs of either case, with white space between pairs.
    Buffer,
}

impl Data {
    /// What is wrong with it whatever the variables come to.
    pub(super) fn check(&self) -> Result<(), String> {
        match self.mode {
            Mode::Text => Ok(()),
            Mode::Buffer if self.template.varies() => {
                let digits = self.template.literals().flat_map(str::bytes);
                let wrong = digits.into_iter().find(|byte| !byte.is_ascii_hexdigit() && !byte.is_ascii_whitespace());
                wrong.map_or(Ok(()), |byte| Err(no_digit(byte)))
            }
            Mode::Buffer => self.bytes(&Variables::new()).map(drop),
        }
    }

    /// The bytes, where they are known before the run and right.
    #[must_use]
    pub fn known(&self) -> Option<Vec<u8>> {
        if self.template.varies() { None } else { self.bytes(&Variables::new()).ok() }
    }

    /// The bytes.
    pub(super) fn bytes(&self, variables: &Variables) -> Result<Vec<u8>, String> {
        let filled = self.template.fill(variables);
        match self.mode {
            Mode::Text => Ok(filled),
            Mode::Buffer => from_hex(&filled),
        }
    }
}

fn no_digit(byte: u8) -> String {
    format!("`{}` is no hex digit", byte.escape_ascii())
}

/// Hex pairs with white space between them, not within.
fn from_hex(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut rest = text.trim_ascii_start();
    while let [high, behind @ ..] = rest {
        let Some(high) = digit(*high) else { return Err(no_digit(*high)) };
        let low = match behind.first() {
            Some(low) if !low.is_ascii_whitespace() => digit(*low).ok_or_else(|| no_digit(*low))?,
            _ => return Err(format!("the hex digit behind {} pairs stands alone", bytes.len())),
        };
        bytes.push(high << 4 | low);
        rest = behind[1..].trim_ascii_start();
    }
    Ok(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// What an MD5 is compared with: 32 hex digits.
pub(super) fn md5_of(text: &[u8]) -> Result<[u8; 16], String> {
    const DIGITS: usize = 32;
    let wrong = || format!("an MD5 is {DIGITS} hex digits");
    if text.len() != DIGITS || !text.iter().all(u8::is_ascii_hexdigit) {
        return Err(wrong());
    }
    from_hex(text)?.try_into().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_pairs_with_white_space_between() {
        let rows: [(&str, Option<&[u8]>); 11] = [
            ("", Some(b"")),
            (" \n", Some(b"")),
            ("504F4e47", Some(b"PONG")),
            (" 50 4f\t4E\r\n47 ", Some(b"PONG")),
            ("5", None),
            ("abc", None),
            ("0x4g", None),
            ("5 0", None),
            ("50 4 f", None),
            ("50,4f", None),
            ("\u{e9}50", None),
        ];
        for (text, wanted) in rows {
            assert_eq!(from_hex(text.as_bytes()).ok().as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn an_md5_is_32_digits() {
        assert!(md5_of(b"d41d8cd98f00b204e9800998ecf8427E").is_ok());
        for text in ["xyz", "", "d41d8cd98f00b204e9800998ecf8427", "d4 1d8cd98f00b204e9800998ecf8427e"] {
            assert!(md5_of(text.as_bytes()).is_err(), "{text}");
        }
    }
}
