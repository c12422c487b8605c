//! Who logs in: the keys `username` and `password`, and what a URL says where they are absent.

use percent_encoding::percent_decode_str;
use probes::dialogue::{Credentials, fits_a_line};
use probes::secret::Secret;

use super::Target;
use crate::reader::Table;

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

    /// The parts of a URL, percent-encoded; an empty one is none.
    pub(super) fn of_url(username: &str, password: &str) -> Self {
        let decoded =
            |text: &str| (!text.is_empty()).then(|| percent_decode_str(text).decode_utf8_lossy().into_owned());
        Self { username: decoded(username), password: decoded(password).map(Secret::new) }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.username.is_none() && self.password.is_none()
    }

    /// What the URL says fills the keys that are absent; nothing may be said twice.
    pub(super) fn join(self, keys: &Self, target: &Target<'_>, protocol: &str) -> Option<(String, Secret)> {
        let twice = |what: &str| target.fail(&format!("the {what} stands both in the URL and in [task.{protocol}]"));
        if self.username.is_some() && keys.username.is_some() {
            twice("username");
        }
        if self.password.is_some() && keys.password.is_some() {
            twice("password");
        }
        let password = self.password.or_else(|| keys.password.clone());
        match self.username.or_else(|| keys.username.clone()) {
            Some(username) => {
                let password = password.unwrap_or_else(|| Secret::new(""));
                target.item.document().hide_basic(&username, password.expose());
                Some((username, password))
            }
            None if password.is_some() => {
                target.fail("a password needs a username");
                None
            }
            None => None,
        }
    }

    /// The same for the protocols that put both into command lines.
    pub(super) fn join_for_commands(self, keys: &Self, target: &Target<'_>, protocol: &str) -> Option<Credentials> {
        let (username, password) = self.join(keys, target, protocol)?;
        if username.is_empty() {
            target.fail("the username is empty");
        }
        if !fits_a_line(&username) || !fits_a_line(password.expose()) {
            target.fail(
                "a username or password with a line end or NUL in it, or of more than 4096 bytes, cannot be sent",
            );
        }
        Some(Credentials { username, password })
    }
}
