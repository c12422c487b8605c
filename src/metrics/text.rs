//! The text format of Prometheus, version 0.0.4: a family is a line of help, a line of type, and its samples.

use std::fmt::Write as _;

/// The kinds of families, in the order of [`Kind`].
pub(super) const KINDS: [&str; 3] = ["gauge", "counter", "histogram"];

/// What the samples of a family are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A value that goes up and down.
    Gauge,
    /// A number that only grows.
    Counter,
    /// How many values were below each bound.
    Histogram,
}

/// Begins a family.
pub(super) fn begin(page: &mut String, name: &str, help: &str, kind: Kind) {
    let kind = KINDS[kind as usize];
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Writes a sample; either half of its labels may be empty.
pub(super) fn sample(page: &mut String, name: &str, labels: (&str, &str), value: f64) {
    page.push_str(name);
    match labels {
        ("", "") => {}
        (all, "") | ("", all) => {
            let _ = write!(page, "{{{all}}}");
        }
        (one, other) => {
            let _ = write!(page, "{{{one},{other}}}");
        }
    }
    let _ = if value.is_infinite() {
        writeln!(page, " {}Inf", if value > 0.0 { '+' } else { '-' })
    } else {
        writeln!(page, " {value}")
    };
}

/// A family with one sample.
pub(super) fn single(page: &mut String, name: &str, help: &str, kind: Kind, value: f64) {
    begin(page, name, help, kind);
    sample(page, name, ("", ""), value);
}

/// Adds `name="value"` to labels, with what the format wants escaped.
pub(super) fn label(labels: &mut String, name: &str, value: &str) {
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(name);
    labels.push_str("=\"");
    for letter in value.chars() {
        match letter {
            '\\' => labels.push_str("\\\\"),
            '"' => labels.push_str("\\\""),
            '\n' => labels.push_str("\\n"),
            _ => labels.push(letter),
        }
    }
    labels.push('"');
}

/// A count as samples have it.
#[expect(clippy::cast_precision_loss, reason = "the format has doubles, and a count reaches 2^53 in no lifetime")]
pub(super) const fn count(count: u64) -> f64 {
    count as f64
}

/// A number of things in memory as samples have it.
#[expect(clippy::cast_precision_loss, reason = "no memory has room for 2^53 things")]
pub(super) const fn length(length: usize) -> f64 {
    length as f64
}
