//! The rows of the catalogue that case files must provoke.

use std::fs;
use std::path::Path;

use serde::Deserialize;

/// One row, as far as cases need it.
#[derive(Clone, Debug, Deserialize)]
pub struct Row {
    /// The protocol; rows that every protocol passes on have another word here, or none.
    #[serde(default)]
    pub protocol: String,
    /// The number.
    pub code: i64,
    /// The name in results.
    pub name: String,
}

#[derive(Deserialize)]
struct Book {
    code: Vec<Row>,
}

/// The rows of a book.
pub fn rows(book: &str) -> Result<Vec<Row>, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("probes/catalogue").join(format!("{book}.toml"));
    let words = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(&path).map_err(|error| words(&error))?;
    toml::from_str::<Book>(&text).map(|book| book.code).map_err(|error| words(&error))
}

/// The rows of the books whose codes the agent gives, book by book.
pub const BOOKS: [&str; 4] = ["cloudmonitor", "cat-transfer", "cat-api", "cos"];

/// The name of a code of a protocol: its row, else the row of the HTTP status, else `http_<n>`.
pub fn name_of(protocol: &str, code: i64) -> Result<String, String> {
    for book in BOOKS {
        if let Some(row) = rows(book)?.into_iter().find(|row| row.protocol == protocol && row.code == code) {
            return Ok(row.name);
        }
    }
    let status = rows("http-status")?.into_iter().find(|row| row.code == code);
    Ok(status.map_or_else(|| format!("http_{code}"), |row| row.name))
}
