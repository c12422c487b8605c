//! One request of a redirect chain.

use bytes::Bytes;
use http::Method;
use url::Url;

/// One request of the chain.
#[derive(Clone, Debug)]
pub(super) struct Hop {
    pub(super) url: Url,
    pub(super) method: Method,
    pub(super) body: Bytes,
    /// How many redirects led here.
    pub(super) followed: u32,
}
