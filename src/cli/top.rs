//! `agent top`: the most frequent error codes for each combination of dimensions.

use std::time::SystemTime;

use super::{ListFormat, Status, Top as Call, complain, print, store};
use crate::reader::printable;
use crate::run::json_line;
use crate::store::{Dimension, Group, Top, TopCode, TopQuery};

/// The dimensions that are no label.
const FIXED: &str = "task, target, protocol, book, host, address";

pub(super) fn run(call: &Call) -> Status {
    let until = SystemTime::now();
    let query = TopQuery {
        by: call.by.iter().map(|word| Dimension::parse(word.trim())).collect(),
        since: until.checked_sub(call.since).unwrap_or(SystemTime::UNIX_EPOCH),
        until,
        limit: usize::try_from(call.limit).unwrap_or(usize::MAX),
        task: None,
    };
    let answer = store(&call.asked).and_then(|store| {
        let labels = store.labels().map_err(|error| format!("error: {error}\n"))?;
        let unknown = |by: &&Dimension| matches!(by, Dimension::Label(key) if !labels.contains(key));
        if let Some(unknown) = query.by.iter().find(unknown) {
            let known = labels.iter().fold(String::new(), |known, label| known + ", " + label);
            let message =
                format!("error: no run has the label `{}`\n = the dimensions are {FIXED}{known}\n", unknown.name());
            return Err(printable_lines(&message));
        }
        store.top(&query).map_err(|error| format!("error: {error}\n"))
    });
    match answer {
        Ok(top) => {
            print(&match call.format {
                ListFormat::Text => text(&top),
                ListFormat::Json => json_line(&top),
            });
            Status::Ok
        }
        Err(message) => {
            complain(&message);
            Status::Usage
        }
    }
}

fn printable_lines(text: &str) -> String {
    text.lines().fold(String::new(), |lines, line| lines + &printable(line) + "\n")
}

fn text(top: &Top) -> String {
    let mut text = head(top.runs, top.failed, top.availability);
    text.push_str(&match (top.failed_before, top.failed) {
        (None, _) => "; the range before is not in the store\n".to_owned(),
        (Some(before), now) if now == before => ", as many as in the range before\n".to_owned(),
        (Some(before), now) => format!(", {} against the range before\n", change(now, Some(before))),
    });
    let rows: Vec<[String; 6]> = top.groups.iter().flat_map(|group| group.codes.iter().map(cells)).collect();
    let header = ["code", "name", "count", "share", "change", "title"].map(str::to_owned);
    let width = |column: usize| rows.iter().chain([&header]).map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [0, 1, 2, 3, 4, 5].map(width);
    let mut rows = rows.iter();
    for group in &top.groups {
        text.push('\n');
        text.push_str(&title(top, group));
        text.push_str(&line(&header, &widths));
        rows.by_ref().take(group.codes.len()).for_each(|row| text.push_str(&line(row, &widths)));
    }
    text
}

/// The values of a combination and what its runs came to; nothing where there is but one.
fn title(top: &Top, group: &Group) -> String {
    if top.by.is_empty() {
        return String::new();
    }
    let value = |(name, value): (&String, &String)| {
        printable(&format!("{name}={}", if value.is_empty() { "(none)" } else { value }))
    };
    let values: Vec<_> = top.by.iter().zip(&group.values).map(value).collect();
    format!("{}: {}\n", values.join(" "), head(group.runs, group.failed, Some(group.availability)))
}

fn head(runs: u64, failed: u64, availability: Option<f64>) -> String {
    let availability = availability.map(|share| format!(", availability {}", percent(share))).unwrap_or_default();
    format!("{runs} runs, {failed} failed{availability}")
}

fn cells(code: &TopCode) -> [String; 6] {
    [
        format!("{}/{} {}", code.book.name(), code.protocol.name(), code.code),
        printable(&code.name),
        code.count.to_string(),
        format!("{:.1} %", code.share * 100.0),
        change(code.count, code.before),
        printable(&code.title),
    ]
}

/// The cells of a row, numbers to the right.
fn line(cells: &[String; 6], widths: &[usize; 6]) -> String {
    let [code, name, count, share, change, title] = cells;
    let [codes, names, counts, shares, changes, _] = *widths;
    format!("  {code:<codes$}  {name:<names$}  {count:>counts$}  {share:>shares$}  {change:<changes$}  {title}\n")
}

/// An availability, which is never rounded up to all.
fn percent(share: f64) -> String {
    let percent = (share * 10_000.0).floor() / 100.0;
    format!("{percent:.2} %")
}

/// How a count has changed.
fn change(now: u64, before: Option<u64>) -> String {
    match before {
        None => "?".to_owned(),
        Some(0) if now > 0 => "↑ new".to_owned(),
        Some(before) if now > before => format!("↑ {}", now - before),
        Some(before) if now < before => format!("↓ {}", before - now),
        Some(_) => "=".to_owned(),
    }
}
