//! The query of a request to the API: what is misspelt or means nothing is said, not passed over.

use std::time::SystemTime;

use jiff::Timestamp;

use crate::reader::duration;

/// The keys and values of a query.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query in which every key is a known one and stands once; an empty value is none.
    pub(super) fn read(text: &str, known: &[&str]) -> Result<Self, String> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (key, value) in url::form_urlencoded::parse(text.as_bytes()) {
            if !known.contains(&key.as_ref()) {
                return Err(format!("`{key}` is no parameter of this path, these are: {}", known.join(", ")));
            }
            if pairs.iter().any(|(other, _)| *other == key) {
                return Err(format!("`{key}` stands twice"));
            }
            pairs.push((key.into_owned(), value.into_owned()));
        }
        pairs.retain(|(_, value)| !value.is_empty());
        Ok(Self(pairs))
    }

    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    /// A text that means something.
    pub(super) fn parsed<T>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        self.text(name).map(|text| parse(&text).map_err(|why| format!("`{name}`: {why}"))).transpose()
    }

    /// A whole number from 1 on.
    pub(super) fn number(&self, name: &str, most: usize) -> Result<Option<usize>, String> {
        self.parsed(name, |text| {
            let number = text.parse().ok().filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| format!("`{text}` is no whole number from 1 to {most}"))
        })
    }

    /// True or false; false where it is not there.
    pub(super) fn flag(&self, name: &str) -> Result<bool, String> {
        let flag = self.parsed(name, |text| match text {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(format!("`{text}` is neither true nor false")),
        })?;
        Ok(flag.unwrap_or(false))
    }

    /// A time: so long before now, as in `24h`, or an instant as in `2026-11-21T08:00:00Z`.
    pub(super) fn time(&self, name: &str, now: SystemTime) -> Result<Option<SystemTime>, String> {
        self.parsed(name, |text| {
            let before = duration(text).ok().map(|ago| now.checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH));
            let instant = || text.parse::<Timestamp>().ok().map(SystemTime::from);
            let bad = || format!("`{text}` is neither a duration such as 24h nor a time such as 2026-11-21T08:00:00Z");
            before.or_else(instant).ok_or_else(bad)
        })
    }
}
