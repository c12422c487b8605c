//! The catalogue as a whole: complete, without a key twice, every text as it should be, every row explained, and no
//! documented number anywhere else in the program.

#![allow(unreachable_pub, reason = "a test has no outside: `pub` marks what a module offers to the others")]

mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use probes::codes::{Book, Entry, Protocol, entries};
use probes::spec::Spec;
use regex::Regex;
use sources::Source;

/// How many rows the documents have, protocol by protocol.
const ROWS: [(Book, Protocol, usize); 12] = [
    (Book::Cloudmonitor, Protocol::Http, 7),
    (Book::Cloudmonitor, Protocol::Ping, 4),
    (Book::Cloudmonitor, Protocol::Tcp, 5),
    (Book::Cloudmonitor, Protocol::Udp, 5),
    (Book::Cloudmonitor, Protocol::Dns, 4),
    (Book::Cloudmonitor, Protocol::Smtp, 4),
    (Book::Cloudmonitor, Protocol::Pop3, 2),
    (Book::Cloudmonitor, Protocol::Ftp, 4),
    (Book::HttpStatus, Protocol::Http, 30),
    (Book::CatTransfer, Protocol::Transfer, 70),
    (Book::CatApi, Protocol::Api, 10),
    (Book::Cos, Protocol::Object, 201),
];

#[test]
fn every_row_of_the_documents_is_there() {
    let mut counts: BTreeMap<(Book, Protocol), usize> = BTreeMap::new();
    for entry in entries().iter().filter(|entry| !entry.extension) {
        *counts.entry((entry.book, entry.protocol)).or_default() += 1;
    }
    let wanted = ROWS.into_iter().map(|(book, protocol, rows)| ((book, protocol), rows)).collect();
    assert_eq!(counts, wanted);
    assert_eq!(counts.values().sum::<usize>(), 346);
}

/// Rows that the documents lack are few, and each is known by its place.
#[test]
fn extensions_are_marked() {
    let extensions: Vec<_> = entries().iter().filter(|entry| entry.extension).map(place).collect();
    assert_eq!(extensions, ["cloudmonitor/ping 615"]);
}

/// The one number that a document gives to two symbols.
#[test]
fn minus_61_stands_under_both_symbols() {
    let symbols: BTreeSet<_> = entries().iter().filter(|entry| entry.number == -61).map(|entry| entry.symbol).collect();
    assert_eq!(
        symbols,
        BTreeSet::from([Some("ERROR_PROXY_SIGN_BUCKET_NOTMATCH"), Some("ERROR_PROXY_INVALID_CMD_REQ")])
    );
    let mut numbers: Vec<_> = of(Book::Cos).map(|entry| entry.number).collect();
    numbers.sort_unstable();
    let twice: Vec<_> = numbers.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    assert_eq!(twice, [-61]);
}

#[test]
fn keys_and_names_are_unique() {
    let (mut keys, mut names) = (BTreeSet::new(), BTreeSet::new());
    for entry in entries() {
        let Entry { book, protocol, layer, number, symbol, name, .. } = entry;
        assert!(keys.insert((book, protocol, layer, number, symbol)), "the key of {} stands twice", place(entry));
        assert!(names.insert((book, protocol, name)), "the name {name} of {} stands twice", place(entry));
    }
}

#[test]
fn names_are_snake_case() {
    let snake_case = Regex::new("^[a-z][a-z0-9]*(_[a-z0-9]+)*$").expect("a literal expression");
    let bad: Vec<_> = entries().iter().map(|entry| entry.name).filter(|name| !snake_case.is_match(name)).collect();
    assert!(bad.is_empty(), "{bad:?}");
}

#[test]
fn every_text_is_there_and_ends_as_it_should() {
    let chinese = |text: &str| text.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
    let title = |text: &str| !text.is_empty() && text.trim() == text && !text.ends_with(['.', '。', '!', '?']);
    let sentence = |text: &str| text.trim() == text && text.ends_with('.') && text.contains(' ');
    let mut slips = Vec::new();
    for entry in entries() {
        let texts = [
            ("title_en", entry.title_en, title(entry.title_en) && !chinese(entry.title_en)),
            ("title_zh", entry.title_zh, title(entry.title_zh) && chinese(entry.title_zh)),
            ("meaning", entry.meaning, sentence(entry.meaning)),
            ("trigger", entry.trigger, sentence(entry.trigger)),
            ("action", entry.action, sentence(entry.action)),
        ];
        let bad = texts.iter().filter(|(.., fine)| !fine);
        slips.extend(bad.map(|(key, text, _)| format!("{} {key}: {text:?}", place(entry))));
    }
    assert!(slips.is_empty(), "\n{}", slips.join("\n"));
}

/// The real program explains a row of every protocol; that it explains every row is tested beside its code.
#[test]
fn the_program_explains_rows_of_every_protocol() {
    for (book, protocol, _) in ROWS {
        let rows: Vec<_> = of(book).filter(|entry| entry.protocol == protocol).collect();
        for entry in [rows[0], rows[rows.len() / 2], rows[rows.len() - 1]] {
            let bare = entry.number.to_string();
            let scoped = format!("{}/{}/{bare}", book.name(), protocol.name());
            for code in [bare, scoped] {
                let shown = agent(&["explain", &code]);
                assert!(shown.contains(entry.title_en) && shown.contains(entry.title_zh), "explain {code}:\n{shown}");
            }
        }
    }
}

#[test]
fn every_fault_has_one_row_of_each_protocol() {
    let faults = agent(&["codes", "--faults", "--format", "json"]);
    let faults: Vec<serde_json::Value> =
        faults.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect();
    assert_eq!(faults.len(), Spec::faults().len());
    let name = Regex::new(r"^[a-z0-9_]+(\.[a-z0-9_-]+)+$").expect("a literal expression");
    let mut seen = BTreeSet::new();
    for fault in &faults {
        let word = |key: &str| fault[key].as_str().unwrap_or_else(|| panic!("{key} is no text in {fault}"));
        assert!(seen.insert((word("protocol"), word("fault"))), "twice: {fault}");
        assert!(name.is_match(word("fault")), "{fault}");
        assert!(word("meaning").len() > 5 && !word("side").is_empty(), "{fault}");
        let passed_on = fault["passed_on"] == true;
        let row = entries().iter().any(|entry| {
            let (book, protocol) = (entry.book.name(), entry.protocol.name());
            fault["code"] == entry.number && word("book") == book && word("protocol") == protocol
        });
        // An error of the agent itself has no code, and says that it is one.
        let own = fault["code"].is_null() && word("side") == "agent" && word("fault").starts_with("agent.");
        assert_eq!(usize::from(row) + usize::from(passed_on) + usize::from(own), 1, "no row for {fault}");
    }
}

/// `classify` names rows, not numbers: the documented numbers stand in the catalogue, in tests and in documentation.
#[test]
fn no_number_of_the_catalogue_stands_in_the_code() {
    let mut found = Vec::new();
    for folder in ["src", "probes/src"] {
        let sources = sources::below(folder);
        let program = sources.iter().filter(|source| !source.module.split('/').any(|part| part == "tests"));
        found.extend(program.flat_map(documented_numbers).map(|place| format!("{folder}/{place}")));
    }
    assert!(found.is_empty(), "name the row, as in HttpCode::Timeout\n{}", found.join("\n"));
}

#[test]
fn planted_numbers_are_found() {
    let rows = [
        ("let code = 611;", Some("file.rs:1: 611")),
        ("f(\"code 550\")", Some("file.rs:1: 550")),
        ("\n(0..=665)", Some("file.rs:2: 665")),
        ("Code::new(-61)", Some("file.rs:1: -61")),
        ("[1,611]", Some("file.rs:1: 611")),
        ("// 611\nlet wait = 1_611.611; let status = 404; let it = a -1; let x611 = 0x611;", None),
        ("fn f() {}\n#[cfg(test)]\nmod tests { const A: i32 = 611; }", None),
    ];
    for (text, wanted) in rows {
        assert_eq!(documented_numbers(&Source::new("file", text)).first().map(String::as_str), wanted, "{text}");
    }
}

/// Where a file has a documented number outside its unit tests.
fn documented_numbers(source: &Source) -> Vec<String> {
    // Below 550 are HTTP statuses, which mean the same everywhere; -1 is how the kernel says no. FTP's replies go on to 559.
    let foreign = if source.module.starts_with("ftp_control") { -1..560 } else { -1..550 };
    let documented = |number: i32| entries().iter().any(|entry| entry.number == number) && !foreign.contains(&number);
    let number = Regex::new(r"(?:^|[^\w.]|\.\.=?)(-?\d[\d_]*)\b").expect("a literal expression");
    let code = source.code.split("#[cfg(test)]").next().unwrap_or_default();
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let numbers = number.captures_iter(line).filter_map(|found| found[1].replace('_', "").parse().ok());
        let place = |number| format!("{}.rs:{}: {number}", source.module, index + 1);
        found.extend(numbers.filter(|number| documented(*number)).map(place));
    }
    found
}

fn of(book: Book) -> impl Iterator<Item = &'static Entry> {
    entries().iter().filter(move |entry| entry.book == book)
}

fn place(entry: &Entry) -> String {
    format!("{}/{} {}", entry.book.name(), entry.protocol.name(), entry.number)
}

/// What the program prints, if all is well.
fn agent(arguments: &[&str]) -> String {
    let ended = Command::new(env!("CARGO_BIN_EXE_agent")).args(arguments).output().expect("the agent can be run");
    assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).expect("the agent prints UTF-8")
}

/// The README names a case for every row of a book with many.
#[test]
fn the_readme_names_a_case_for_every_row_of_a_transfer() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("there is a README");
    let missing: Vec<_> = of(Book::CatTransfer)
        .filter(|entry| {
            let begin = format!("(tests/cases/transfer/{}-", entry.number);
            let named = readme.split(&begin).skip(1).filter_map(|rest| rest.split_once(')'));
            !named.into_iter().any(|(slug, _)| {
                let file = format!("tests/cases/transfer/{}-{slug}", entry.number);
                root.join(file).is_file()
            })
        })
        .map(place)
        .collect();
    assert!(missing.is_empty(), "README.md names no case that is there for {missing:?}");
}
