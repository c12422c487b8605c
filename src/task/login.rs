//! Who logs in: the keys `username` and `password`, and what a URL says where they are absent.

use percent_encoding::percent_decode_str;
use probes::dialogue::{Credentials, fits_a_line};
use probes::secret::Secret;

use super::Target;
use crate::reader::{Table, Text};

/// A user name and a password, as far as one place has them.
#[derive(Clone, Debug, Default)]
pub(super) struct Login {
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
}

impl Login {
    /// The keys of a table.
    pub(super) fn of_table(table: &Table<'_>) -> Self {
        let password = table.secret("password").map(|password| Secret::new(password.value));
        Self { username: table.text("username").map(|username| username.value), password }
    }

    /// The same for the protocols that put both into command lines.
    pub(super) fn of_lines(table: &Table<'_>) -> Self {
        let login = Self {
            username: line(table, "username", table.text("username")),
            password: line(table, "password", table.secret("password")).map(Secret::new),
        };
        if login.username.as_deref() == Some("") {
            table.fail_at("username", "the username is empty");
        }
        login
    }

    /// The parts of a URL, percent-encoded; an empty one is none.
    pub(super) fn of_url(username: &str, password: &str) -> Self {
        let decoded =
            |text: &str| (!text.is_empty()).then(|| percent_decode_str(text).decode_utf8_lossy().into_owned());
        Self { username: decoded(username), password: decoded(password).map(Secret::new) }
    }

    /// The same for the protocols that put both into command lines.
    pub(super) fn of_url_for_lines(target: &Target<'_>, username: &str, password: &str) -> Self {
        Self {
            username: line_of_url(target, "username", username),
            password: line_of_url(target, "password", password).map(Secret::new),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.username.is_none() && self.password.is_none()
    }

    /// Adds a mistake for each part that stands in the URL and in the table too.
    pub(super) fn refuse_twice(&self, keys: &Self, table: &Table<'_>) {
        let twice = [
            ("username", self.username.is_some() && keys.username.is_some()),
            ("password", self.password.is_some() && keys.password.is_some()),
        ];
        for (key, _) in twice.into_iter().filter(|(_, twice)| *twice) {
            table.fail_at(key, format!("the {key} stands both in the URL and in {}", table.title()));
        }
    }

    /// What the URL says fills the keys that are absent; nothing may be said twice.
    pub(super) fn join(self, keys: &Self, target: &Target<'_>, table: &Table<'_>) -> Option<(String, Secret)> {
        const ALONE: &str = "a password needs a username";
        self.refuse_twice(keys, table);
        match (self.username.or_else(|| keys.username.clone()), self.password, &keys.password) {
            (Some(username), own, key) => {
                let password = own.or_else(|| key.clone()).unwrap_or_else(|| Secret::new(""));
                target.item.document().hide_basic(&username, password.expose());
                Some((username, password))
            }
            (None, Some(_), _) => {
                target.fail(ALONE);
                None
            }
            (None, None, Some(_)) => {
                table.fail_at("password", ALONE);
                None
            }
            (None, None, None) => None,
        }
    }

    /// The same as the dialogues have it.
    pub(super) fn credentials(self, keys: &Self, target: &Target<'_>, table: &Table<'_>) -> Option<Credentials> {
        let (username, password) = self.join(keys, target, table)?;
        Some(Credentials { username, password })
    }
}

/// The value of a key that becomes part of a command.
pub(super) fn line(table: &Table<'_>, key: &'static str, text: Option<Text>) -> Option<String> {
    let text = text?.value;
    if !fits_a_line(&text) {
        let message = format!("{key} becomes part of a command: it has no line end and no NUL, and at most 4096 bytes");
        table.fail_at(key, message);
    }
    Some(text)
}

/// A part of a URL that becomes part of a command, decoded; none if it is empty or cannot be.
pub(super) fn line_of_url(target: &Target<'_>, name: &str, text: &str) -> Option<String> {
    let wrong = match percent_decode_str(text).decode_utf8() {
        Ok(decoded) if decoded.is_empty() => return None,
        Ok(decoded) if fits_a_line(&decoded) => return Some(decoded.into_owned()),
        Ok(_) => "has a line end or NUL once it is decoded, or is too long",
        Err(_) => "is not UTF-8 once it is decoded",
    };
    target.fail(&format!("the {name} {wrong}"));
    None
}
