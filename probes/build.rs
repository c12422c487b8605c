//! Turns `catalogue/*.toml` into the rows and the per-protocol code enums of `src/codes.rs`.
//!
//! A key (book, protocol, layer, code, symbol) that stands twice stops the build, and so does an unknown field: the
//! numbers and texts of every code stand in those files and nowhere else.

use std::collections::{BTreeMap, HashSet};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Book {
    book: String,
    code: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    protocol: String,
    layer: Option<String>,
    group: Option<String>,
    symbol: Option<String>,
    http_status: Option<u16>,
    code: i32,
    name: String,
    title_en: String,
    title_zh: String,
    meaning: String,
    trigger: String,
    action: String,
    made_by: String,
    available: Option<bool>,
    #[serde(default)]
    extension: bool,
}

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("catalogue.rs");
    println!("cargo::rerun-if-changed=catalogue");
    println!("cargo::rerun-if-changed=build.rs");

    // The order of the books is the order in which `agent codes` lists them.
    let books = ["cloudmonitor", "http-status", "cat-transfer", "cat-api", "cos"]
        .map(|name| read_book(&manifest.join("catalogue").join(format!("{name}.toml")), name));
    refuse_duplicates(&books);
    fs::write(&out, generate(&books)).expect("OUT_DIR can be written");
}

fn read_book(path: &Path, name: &str) -> Book {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let book: Book = toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(book.book, name, "{}: holds another book", path.display());
    book
}

fn refuse_duplicates(books: &[Book]) {
    let mut keys = HashSet::new();
    for book in books {
        for row in &book.code {
            let key = (&book.book, &row.protocol, &row.layer, row.code, &row.symbol);
            assert!(keys.insert(key), "the catalogue has this key twice: {key:?}");
        }
    }
}

fn generate(books: &[Book]) -> String {
    let mut rows = String::new();
    let mut enums: BTreeMap<(String, String), Vec<(usize, &Row)>> = BTreeMap::new();
    let mut index = 0;
    for book in books {
        for row in &book.code {
            writeln!(rows, "{},", entry(&book.book, row)).expect("a String takes everything");
            // What a server says is recognised by its number; only what the agent itself says needs a name in code.
            if row.made_by == "agent" {
                enums.entry((book.book.clone(), row.protocol.clone())).or_default().push((index, row));
            }
            index += 1;
        }
    }
    let mut out = format!("pub(super) static ROWS: [Entry; {index}] = [\n{rows}];\n");
    for ((_, protocol), members) in &enums {
        out.push_str(&code_enum(protocol, members));
    }
    out
}

fn entry(book: &str, row: &Row) -> String {
    format!(
        "Entry {{ book: Book::{}, protocol: Protocol::{}, layer: {:?}, group: {:?}, symbol: {:?}, http_status: {:?}, \
         number: {}, name: {:?}, title_en: {:?}, title_zh: {:?}, meaning: {:?}, trigger: {:?}, action: {:?}, \
         made_by: MadeBy::{}, available: {:?}, extension: {} }}",
        camel_case(book),
        camel_case(&row.protocol),
        row.layer,
        row.group,
        row.symbol,
        row.http_status,
        row.code,
        row.name,
        row.title_en,
        row.title_zh,
        row.meaning,
        row.trigger,
        row.action,
        camel_case(&row.made_by),
        row.available,
        row.extension,
    )
}

fn code_enum(protocol: &str, members: &[(usize, &Row)]) -> String {
    let name = format!("{}Code", camel_case(protocol));
    let mut variants = String::new();
    let mut arms = String::new();
    for (index, row) in members {
        let short = row.name.strip_prefix(&format!("{protocol}_")).unwrap_or(&row.name);
        let variant = camel_case(short);
        writeln!(variants, "    /// {}: {}.\n    {variant},", row.code, row.title_en)
            .expect("a String takes everything");
        writeln!(arms, "            Self::{variant} => &ROWS[{index}],").expect("a String takes everything");
    }
    format!(
        "/// The codes that the agent itself gives for `{protocol}`, one a row of the catalogue.\n\
         #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]\npub enum {name} {{\n{variants}}}\n\
         impl {name} {{\n    /// The row of the catalogue.\n    #[must_use]\n    \
         pub fn entry(self) -> &'static Entry {{\n        match self {{\n{arms}        }}\n    }}\n}}\n\
         impl From<{name}> for Code {{\n    fn from(code: {name}) -> Self {{\n        Self::row(code.entry())\n    }}\n}}\n"
    )
}

fn camel_case(words: &str) -> String {
    words
        .split(['_', '-'])
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
        })
        .collect()
}
