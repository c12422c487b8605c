//! Bytes in a task: a text as it stands, or hex pairs.

use crate::reader::Table;

/// Bytes given as text or as hex pairs.
pub(super) fn bytes(table: &Table<'_>, text_key: &'static str, hex_key: &'static str) -> Option<Vec<u8>> {
    let text = table.text(text_key).map(|text| text.value.into_bytes());
    let hex = table.take(hex_key);
    if let (Some(_), Some(item)) = (&text, &hex) {
        item.fail(format!("`{text_key}` and `{hex_key}` say the same thing twice"));
    }
    text.or_else(|| {
        let hex = hex?;
        let bytes = hex.parsed(from_hex)?;
        // Hex from elsewhere is as secret as what it stands for.
        if hex.text().is_some_and(|text| text.secret)
            && let Ok(text) = std::str::from_utf8(&bytes)
        {
            hex.document().hide(text);
        }
        Some(bytes)
    })
}

/// Hex pairs of either case, with white space between them.
fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|letter| !letter.is_ascii_whitespace())
        .map(|letter| letter.to_digit(16).ok_or_else(|| format!("`{letter}` is no hex digit")))
        .collect::<Result<_, _>>()?;
    if !digits.len().is_multiple_of(2) {
        return Err("the number of hex digits is odd".to_owned());
    }
    Ok(digits.chunks(2).filter_map(|pair| u8::try_from(pair[0] << 4 | pair[1]).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_pairs() {
        assert_eq!(from_hex("50 4f4E\n47"), Ok(b"PONG".to_vec()));
        assert!(from_hex("5").is_err());
        assert!(from_hex("5g").is_err());
    }
}
