//! `agent codes` and `agent explain`: the catalogue for people and machines.

use std::collections::BTreeMap;

use probes::codes::{Book, Code, Entry, MadeBy, Protocol, entries};
use probes::outcome::{Idle, Verdict};
use probes::spec::{Reported, Spec};
use serde_json::{Value, json};

use super::{Codes, Explain, ListFormat, Status, complain, print};
use crate::reader::printable;

pub(super) fn list(call: &Codes) -> Status {
    let scope = match call.book.as_deref().map(Scope::parse).transpose() {
        Ok(scope) => scope.unwrap_or_default(),
        Err(message) => return usage(&message),
    };
    if call.faults {
        print(&match call.format {
            ListFormat::Text => faults_text(&scope),
            ListFormat::Json => lines(Spec::faults().iter().filter(|fault| scope.holds_fault(fault)).map(fault_json)),
        });
        return Status::Ok;
    }
    let rows = entries().iter().filter(|entry| scope.holds(entry));
    print(&match call.format {
        ListFormat::Text => rows_text(rows),
        ListFormat::Json => lines(rows.map(|entry| serde_json::to_value(entry).unwrap_or_default())),
    });
    Status::Ok
}

pub(super) fn explain(call: &Explain) -> Status {
    match explanation(&call.code) {
        Ok(text) => {
            print(&text);
            Status::Ok
        }
        Err(message) => usage(&message),
    }
}

/// What every row means that a code such as `611` or `cloudmonitor/http/611` stands for.
fn explanation(code: &str) -> Result<String, String> {
    let (scope, number) = match code.rsplit_once('/') {
        Some((scope, number)) => (Scope::parse(scope)?, number),
        None => (Scope::default(), code),
    };
    let number: i32 = number.parse().map_err(|_| format!("`{number}` is no code; codes are whole numbers"))?;
    let found = entries().iter().filter(|entry| entry.number == number && scope.holds_status(entry));
    let texts: Vec<_> = success_of(&scope, number).into_iter().chain(found.map(explained)).collect();
    if texts.is_empty() {
        let whose = code
            .rsplit_once('/')
            .map_or_else(|| "no book has".to_owned(), |(scope, _)| format!("{scope} does not have"));
        return Err(format!("{whose} the code {number}; `agent codes` lists them"));
    }
    Ok(texts.join("\n"))
}

/// What a success reports, where that is no row of the book: the object storage has a row for it, and HTTP its statuses.
fn success_of(scope: &Scope, number: i32) -> Vec<String> {
    let code = Code::success();
    let has_row = |protocol: &Protocol| matches!(protocol, Protocol::Http | Protocol::Object);
    let held = |protocol: &Protocol| {
        scope.book.is_none_or(|book| book == protocol.book()) && scope.protocol.is_none_or(|only| only == *protocol)
    };
    let protocols: Vec<_> = Protocol::ALL.into_iter().filter(|protocol| !has_row(protocol) && held(protocol)).collect();
    if number != code.number() || protocols.is_empty() {
        return Vec::new();
    }
    let names: Vec<_> =
        protocols.iter().map(|protocol| format!("{}/{}", protocol.book().name(), protocol.name())).collect();
    let meaning = super::text::paragraph("meaning", "The target is as the task wants it.");
    vec![format!(
        "{} · {}\n  {}\n\n{meaning}{}",
        code.number(),
        code.name(),
        code.title(),
        super::text::paragraph("where", &names.join(", "))
    )]
}

fn usage(message: &str) -> Status {
    complain(&format!("error: {}\n", printable(message)));
    Status::Usage
}

/// Which part of the catalogue is meant.
#[derive(Debug, Default)]
struct Scope {
    book: Option<Book>,
    protocol: Option<Protocol>,
}

impl Scope {
    fn parse(text: &str) -> Result<Self, String> {
        let (book, protocol) = match text.split_once('/') {
            Some((book, protocol)) => (book, Some(protocol)),
            None => (text, None),
        };
        let books = || Book::ALL.map(Book::name).join(", ");
        let book = Book::ALL
            .into_iter()
            .find(|known| known.name() == book)
            .ok_or_else(|| format!("there is no book `{book}`; the books are {}", books()))?;
        let protocols = || entries().iter().filter(move |entry| entry.book == book).map(|entry| entry.protocol);
        let protocol = protocol.map(|name| {
            let known = protocols().find(|known| known.name() == name);
            known.ok_or_else(|| {
                let mut names: Vec<_> = protocols().map(Protocol::name).collect();
                names.dedup();
                format!("the book {} has no protocol `{name}`; it has {}", book.name(), names.join(", "))
            })
        });
        Ok(Self { book: Some(book), protocol: protocol.transpose()? })
    }

    fn holds(&self, entry: &Entry) -> bool {
        self.book.is_none_or(|book| book == entry.book)
            && self.protocol.is_none_or(|protocol| protocol == entry.protocol)
    }

    /// Every book passes HTTP statuses on, so that they are explained there too.
    fn holds_status(&self, entry: &Entry) -> bool {
        let passed_on =
            entry.book == Book::HttpStatus && self.protocol.is_none_or(|protocol| protocol == Protocol::Http);
        self.holds(entry) || (self.book == Some(Book::Cloudmonitor) && passed_on)
    }

    fn holds_fault(&self, fault: &Reported) -> bool {
        self.book.is_none_or(|book| book == fault.protocol.book())
            && self.protocol.is_none_or(|protocol| protocol == fault.protocol)
    }
}

fn place(entry: &Entry) -> String {
    match entry.layer {
        Some(layer) => format!("{}/{} ({layer})", entry.book.name(), entry.protocol.name()),
        None => format!("{}/{}", entry.book.name(), entry.protocol.name()),
    }
}

fn rows_text<'e>(rows: impl Iterator<Item = &'e Entry>) -> String {
    let mut text = String::new();
    let mut last = String::new();
    for entry in rows {
        let place = place(entry);
        if place != last {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&format!("{place}\n"));
            last = place;
        }
        let name = entry.symbol.unwrap_or(entry.name);
        let mark = if entry.extension { " (extension)" } else { "" };
        text.push_str(&format!("  {:>6}  {name:<36}  {}{mark}\n", entry.number, entry.title_en));
    }
    text
}

fn explained(entry: &Entry) -> String {
    let mut text = format!("{} {} · {}\n", place(entry), entry.number, entry.name);
    text.push_str(&format!("  {}\n  {}\n", entry.title_en, entry.title_zh));
    if let Some(symbol) = entry.symbol {
        text.push_str(&format!("\n  symbol   {symbol}\n"));
    }
    let made_by = match entry.made_by {
        MadeBy::Agent => "the agent, from what it sees",
        MadeBy::Server => "the service; the agent passes it on",
    };
    let rows = [("meaning", entry.meaning), ("trigger", entry.trigger), ("to do", entry.action), ("made by", made_by)];
    text.push('\n');
    for (label, words) in rows {
        text.push_str(&super::text::paragraph(label, words));
    }
    if let Some(layer) = entry.layer {
        text.push_str(&super::text::paragraph("layer", &layer_words(layer, entry.group)));
    }
    if entry.extension {
        let words = "an extension: the row is of the vendor's current page, not of the table this book follows";
        text.push_str(&super::text::paragraph("source", words));
    }
    text
}

/// Which part of an object store's answer a code stands in.
fn layer_words(layer: &str, group: Option<&str>) -> String {
    let words = match layer {
        "sdk" => "made on the client's side, by the agent".to_owned(),
        "json" => {
            format!("the field `code` of the JSON answer, made by the service's part `{}`", group.unwrap_or(layer))
        }
        "http" => "the HTTP status of an answer without a JSON code".to_owned(),
        _ => "the download host: its HTTP status, or the header X-ErrNo".to_owned(),
    };
    format!("{layer}: {words}")
}

fn faults_text(scope: &Scope) -> String {
    let faults: Vec<_> = Spec::faults().into_iter().filter(|fault| scope.holds_fault(fault)).collect();
    let protocols: Vec<_> =
        Spec::PROTOCOLS.into_iter().filter(|protocol| faults.iter().any(|fault| fault.protocol == *protocol)).collect();
    let mut rows: Vec<(&str, &Reported, BTreeMap<Protocol, String>)> = Vec::new();
    for fault in &faults {
        let code = code_words(fault);
        match rows.iter_mut().find(|(name, ..)| *name == fault.fault) {
            Some((_, _, codes)) => _ = codes.insert(fault.protocol, code),
            None => rows.push((fault.fault, fault, BTreeMap::from([(fault.protocol, code)]))),
        }
    }
    let mut text = format!("{:<36} {:<9}", "fault", "side");
    for protocol in &protocols {
        text.push_str(&format!(" {:>7}", protocol.name()));
    }
    text.push_str("  what happened\n");
    for (name, fault, codes) in rows {
        text.push_str(&format!("{name:<36} {:<9}", side(fault)));
        for protocol in &protocols {
            text.push_str(&format!(" {:>7}", codes.get(protocol).map_or("-", String::as_str)));
        }
        text.push_str(&format!("  {}\n", fault.meaning));
    }
    text
}

/// The number, or the word for a status that is passed on, for an error of the agent itself or for a run that was not begun.
fn code_words(fault: &Reported) -> String {
    match fault.code.map(|code| (code, code.entry())) {
        None => match Idle::ALL.into_iter().find(|idle| idle.fault() == fault.fault).map(Idle::verdict) {
            Some(verdict) => verdict.name(),
            None => Verdict::Error.name(),
        }
        .to_owned(),
        Some((code, Some(entry))) if entry.book != Book::HttpStatus => code.number().to_string(),
        Some(_) => "status".to_owned(),
    }
}

fn side(fault: &Reported) -> String {
    serde_json::to_value(fault.side).ok().and_then(|side| side.as_str().map(str::to_owned)).unwrap_or_default()
}

fn fault_json(fault: &Reported) -> Value {
    let passed_on = fault.code.is_some() && code_words(fault) == "status";
    json!({
        "fault": fault.fault,
        "side": fault.side,
        "meaning": fault.meaning,
        "book": fault.protocol.book(),
        "protocol": fault.protocol,
        "code": fault.code.filter(|_| !passed_on).map(Code::number),
        "passed_on": passed_on,
    })
}

fn lines(values: impl Iterator<Item = Value>) -> String {
    values.flat_map(|value| [value.to_string(), "\n".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_explained_with_its_place_and_without() {
        for entry in entries() {
            let Entry { book, protocol, number, name, .. } = entry;
            let scoped = format!("{}/{}/{number}", book.name(), protocol.name());
            for code in [scoped, format!("{}/{number}", book.name()), number.to_string()] {
                let text = explanation(&code).unwrap();
                assert!(text.contains(&format!("{} {number} · {name}\n", place(entry))), "{code}: {text}");
                assert!(text.contains(entry.title_zh), "{code}: {text}");
            }
        }
    }
}
