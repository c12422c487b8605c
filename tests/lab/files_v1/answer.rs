//! Answers of the service, and its refusals by their symbols.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

/// What the service says no with: the symbol of a row of the catalogue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refusal(pub &'static str);

/// An answer over HTTP.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Its header fields.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// An answer with nothing in it.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    /// An answer of the interface: a success on 200, a refusal on 400.
    pub fn json(status: u16, code: i64, message: &str, data: &Value) -> Self {
        let body = json!({ "code": code, "message": message, "data": data }).to_string().into_bytes();
        let headers = vec![("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body }
    }

    /// What became of an operation.
    pub fn of(result: &Result<Value, Refusal>) -> Self {
        match result {
            Ok(data) => Self::json(200, 0, "SUCCESS", data),
            Err(Refusal(symbol)) => Self::json(400, number_of(symbol), symbol, &json!({})),
        }
    }
}

#[derive(Deserialize)]
struct Book {
    code: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    layer: String,
    symbol: Option<String>,
    code: i64,
}

/// The numbers of the interface by their symbols.
static NUMBERS: LazyLock<BTreeMap<String, i64>> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("probes/catalogue/cos.toml");
    let text = std::fs::read_to_string(&path).expect("the catalogue is there");
    let book: Book = toml::from_str(&text).expect("the catalogue reads");
    let rows = book.code.into_iter().filter(|row| row.layer == "json");
    rows.filter_map(|row| Some((row.symbol?, row.code))).collect()
});

fn number_of(symbol: &str) -> i64 {
    *NUMBERS.get(symbol).unwrap_or_else(|| panic!("the catalogue has no symbol {symbol}"))
}

/// Every symbol in the sources of this service is one of the catalogue.
pub fn check() -> Result<(), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/files_v1");
    let words = |error: std::io::Error| error.to_string();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).map_err(words)? {
        let text = std::fs::read_to_string(entry.map_err(words)?.path()).map_err(words)?;
        for (at, opening) in text.match_indices("Refusal(\"") {
            let symbol = text[at + opening.len()..].split('"').next().unwrap_or_default();
            count += 1;
            if !NUMBERS.contains_key(symbol) {
                return Err(format!("no symbol {symbol} in the catalogue"));
            }
        }
    }
    if count > 60 { Ok(()) } else { Err(format!("only {count} refusals were found")) }
}
