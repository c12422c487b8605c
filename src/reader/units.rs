//! Durations, sizes, and the word that somebody probably meant.

use std::time::Duration;

/// Reads `250ms`, `5s`, `2m`, `1h`, `14d`; fractions are fine.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is no duration such as 250ms, 5s, 2m, 1h or 14d");
    let unit_at = text.find(|letter: char| letter.is_ascii_alphabetic()).ok_or_else(bad)?;
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err(bad()),
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number = number.parse::<f64>().ok().filter(|_| plain).ok_or_else(bad)?;
    // Longer than a century is a slip of the keyboard, and would overflow the clocks.
    Some(number * seconds)
        .filter(|seconds| *seconds <= 100.0 * 365.25 * 86_400.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("`{text}` is longer than a hundred years"))
}

/// Reads `64KiB`, `4GiB`, `10MB`, `512B`.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is no size such as 512B, 64KiB, 10MiB or 4GiB");
    let unit_at = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(bad)?;
    let (number, unit) = text.split_at(unit_at);
    let bytes: u64 = match unit.trim_start() {
        "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(bad()),
    };
    number.parse::<u64>().ok().and_then(|number| number.checked_mul(bytes)).ok_or_else(bad)
}

/// The word that is at most two slips away (a third of the word's length, if that is less).
pub(super) fn nearest<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let most = (word.chars().count() / 3).clamp(1, 2);
    words.map(|known| (distance(word, known), known)).filter(|(slips, _)| *slips <= most).min().map(|(_, known)| known)
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, known) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *known);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_have_units() {
        let rows =
            [("250ms", 250), ("5s", 5_000), ("2m", 120_000), ("1h", 3_600_000), ("0.5s", 500), ("14d", 1_209_600_000)];
        for (text, milliseconds) in rows {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["5", "s", "5 s", "-5s", "5x", "", "1e3s", "nans", "infs", "99999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("10MB"), Ok(10_000_000));
        for text in ["64", "KiB", "1.5MiB", "99999999999GiB", ""] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn near_words_are_found() {
        let words = ["method", "headers", "body"];
        assert_eq!(nearest("metod", words.into_iter()), Some("method"));
        assert_eq!(nearest("header", words.into_iter()), Some("headers"));
        assert_eq!(nearest("xyz", words.into_iter()), None);
    }
}
