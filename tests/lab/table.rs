//! A table of cases: one file whose rows differ in a few words, each a case of its own.
//!
//! `columns = ["code", "symbol"]` names the words, `rows = [[-99, "ERROR_…"], …]` has them. In each row's text `{code}` stands
//! for the word, and `"{code}"`, with nothing else in the quotes, for the value itself.

use serde::Deserialize;

/// The columns and rows of a file.
#[derive(Debug, Deserialize)]
pub struct Table {
    /// What the words of a row are called.
    columns: Vec<String>,
    /// The words, one case a row.
    pub rows: Vec<Vec<Word>>,
}

/// One word of a row.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Word {
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

impl Table {
    /// The table of a file, if it has one.
    pub fn read(text: &str) -> Result<Option<Self>, String> {
        if !text.lines().any(|line| line.starts_with("columns = ")) {
            return Ok(None);
        }
        let table: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        match table.rows.iter().find(|row| row.len() != table.columns.len()) {
            Some(row) => Err(format!("the row {row:?} does not fit the columns {:?}", table.columns)),
            None => Ok(Some(table)),
        }
    }

    /// The words of a row.
    pub fn words(&self, row: usize) -> Vec<String> {
        self.rows[row].iter().map(Word::bare).collect()
    }

    /// The text of a row's case.
    pub fn fill(&self, text: &str, row: usize) -> String {
        self.columns.iter().zip(&self.rows[row]).fold(text.to_owned(), |text, (column, word)| {
            text.replace(&format!("\"{{{column}}}\""), &word.value()).replace(&format!("{{{column}}}"), &word.bare())
        })
    }
}

impl Word {
    fn bare(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text.clone(),
        }
    }

    /// As TOML has it, which for plain words is as JSON has it.
    fn value(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
        }
    }
}
