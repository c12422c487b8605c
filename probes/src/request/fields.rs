//! Header fields that a task sends, and who it says it is.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::{HeaderName, HeaderValue};

use crate::secret::Secret;

/// A header field to send.
#[derive(Clone, Debug)]
pub struct Field {
    /// The name.
    pub name: HeaderName,
    /// The value.
    pub value: HeaderValue,
    /// Whether the value is a secret, which stays with the first origin.
    pub secret: bool,
}

/// Who the task says it is.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// RFC 7617.
    Basic {
        /// The user name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// RFC 6750.
    Bearer(Secret),
}

impl Credentials {
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let text = match self {
            Self::Basic { username, password } => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{username}:{}", password.expose())))
            }
            Self::Bearer(token) => format!("Bearer {}", token.expose()),
        };
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}
