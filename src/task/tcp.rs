//! The table `[task.tcp]`.

use probes::address::Endpoint;
use probes::spec::Spec;
use probes::tcp::{Step, Tcp};
use regex::bytes::Regex;

use super::{Around, Specs, Target, no_regex, tls};
use crate::reader::{Item, Table};

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    let encryption = tls::read(around.tls.as_ref());
    let table = around.task.table("tcp");
    let (encrypted, steps) =
        table.as_ref().map(|table| (table.boolean("tls").unwrap_or(false), read_steps(table))).unwrap_or_default();
    let Some(encryption) = encryption else { return Specs { probes: Vec::new(), trust: None } };
    let probe = |target: &Target<'_>| {
        let endpoint = endpoint(target)?;
        let tcp = Tcp { endpoint, encrypted, steps: steps.clone(), tls: encryption.client.clone() };
        Some((target.text.clone(), Spec::Tcp(tcp)))
    };
    Specs { probes: targets.iter().filter_map(probe).collect(), trust: encryption.trust }
}

fn endpoint(target: &Target<'_>) -> Option<Endpoint> {
    let text = target.text.strip_prefix("tcp://").unwrap_or(&target.text);
    let text = text.strip_suffix('/').unwrap_or(text);
    match Endpoint::parse(text, None) {
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            target.fail_with_help(
                format!("`{}`: {error}", target.text),
                "a TCP target is host:port, as in mail.example.com:25 or [2001:db8::7]:25",
            );
            None
        }
    }
}

fn read_steps(table: &Table<'_>) -> Vec<Step> {
    let send = bytes(table, "send", "send_hex");
    let expect = bytes(table, "expect", "expect_hex");
    let Some(dialogue) = table.take("dialogue") else {
        return send.map(Step::Send).into_iter().chain(expect.map(Step::Expect)).collect();
    };
    if send.is_some() || expect.is_some() {
        dialogue.fail("a task has either a `dialogue` or `send` and `expect`");
    }
    dialogue.items().unwrap_or_default().iter().filter_map(read_step).collect()
}

fn read_step(item: &Item<'_>) -> Option<Step> {
    let table = item.table("`dialogue`".to_owned())?;
    let expressions = table.parsed("expect_regex", |text| Regex::new(text).map_err(|error| no_regex(&error)));
    let steps = [
        expressions.map(Step::ExpectLine),
        bytes(&table, "expect", "expect_hex").map(Step::Expect),
        bytes(&table, "send", "send_hex").map(Step::Send),
        table.boolean("starttls").unwrap_or(false).then_some(Step::StartTls),
    ];
    let mut steps = steps.into_iter().flatten();
    match (steps.next(), steps.next()) {
        (Some(step), None) => Some(step),
        (Some(_), Some(_)) => {
            item.fail("a step does one thing: write a step for each");
            None
        }
        // A mistake in its only key was named already.
        (None, _) if !table.is_empty() => None,
        (None, _) => {
            item.fail("a step has one of expect_regex, expect, expect_hex, send, send_hex, starttls = true");
            None
        }
    }
}

/// Bytes given as text or as hex pairs.
fn bytes(table: &Table<'_>, text_key: &'static str, hex_key: &'static str) -> Option<Vec<u8>> {
    let text = table.text(text_key).map(|text| text.value.into_bytes());
    let hex = table.take(hex_key);
    if let (Some(_), Some(item)) = (&text, &hex) {
        item.fail(format!("`{text_key}` and `{hex_key}` say the same thing twice"));
    }
    text.or_else(|| hex?.parsed(from_hex))
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
