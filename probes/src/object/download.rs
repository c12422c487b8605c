//! Downloads, from the host that the task names or the service says.
//!
//! The status is the code, as a negative number; a number in the header `X-ErrNo` that the service is known to put there
//! comes before it. Both stand in the head, so that the body of a failure is not waited for.

use std::convert::Infallible;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use sha1::{Digest as _, Sha1};
use url::Url;

use super::answer::Data;
use super::client::{Client, Request, incomplete, note_step};
use super::fault::Fault;
use super::path::encoded;
use super::source::hex;
use crate::codes::{Code, Layer};
use crate::evidence;
use crate::exchange::{Answer, Sink, Spilt};
use crate::fault::Failure;
use crate::net::Attempt;

/// The number of the storage behind the download host.
const ERROR_NUMBER: &str = "x-errno";

/// What a download brought.
pub(super) struct Downloaded {
    /// The code of the success.
    pub(super) code: Code,
    pub(super) length: u64,
    /// Lower-case hex.
    pub(super) sha1: String,
}

impl Client<'_> {
    /// Downloads the object of the task, after asking where it is unless the task says so.
    pub(super) async fn download(
        &mut self,
        attempt: &mut Attempt<'_>,
        range: Option<&str>,
    ) -> Result<Code, Failure<Fault>> {
        let url = if let Some(url) = self.download_url() {
            url
        } else {
            let data = self.facts(attempt).await?;
            access_url(attempt, &data)?
        };
        self.fetch(attempt, url, range).await.map(|downloaded| downloaded.code)
    }

    /// Where the task says that the object is.
    pub(super) fn download_url(&self) -> Option<Url> {
        let host = self.object.download_host.as_ref()?;
        let path = encoded(&self.object.path);
        Url::parse(&format!("{host}{}", path.trim_start_matches('/'))).ok()
    }

    /// Downloads from a URL; a step of its own.
    pub(super) async fn fetch(
        &mut self,
        attempt: &mut Attempt<'_>,
        url: Url,
        range: Option<&str>,
    ) -> Result<Downloaded, Failure<Fault>> {
        let result = self.take(attempt, url, range).await;
        note_step(attempt, "download", result.as_ref().map(|downloaded| downloaded.code));
        result
    }

    async fn take(
        &mut self,
        attempt: &mut Attempt<'_>,
        url: Url,
        range: Option<&str>,
    ) -> Result<Downloaded, Failure<Fault>> {
        // Good for this path alone: the host that it goes to may be any.
        let sign = self.signer.reusable(&encoded(&self.object.path));
        attempt.tainted.add_computed(sign.expose());
        let mut signed = url.clone();
        signed.query_pairs_mut().append_pair("sign", sign.expose());
        let request = Request {
            method: Method::GET,
            url: signed,
            sign: None,
            content_type: None,
            range: range.and_then(|range| HeaderValue::from_str(&format!("bytes={range}")).ok()),
            body: Bytes::new().into(),
            patience: None,
        };
        let answer = self.ask(attempt, request).await?;
        let code = match judge(&answer) {
            Ok(code) => code,
            Err(failure) => {
                answer.leave_body(attempt);
                return Err(failure);
            }
        };
        let first_byte = answer.first_byte().map(|at| attempt.since_begin(at));
        let (begun, mut digest) = (Instant::now(), Digesting::default());
        let poured = self.pour(attempt, &url, answer, &mut digest).await;
        let length = digest.length;
        attempt.evidence.transfer = Some(evidence::Transfer::new(length, begun.elapsed(), Vec::new(), first_byte));
        poured.map_err(|spilt| match spilt {
            Spilt::Exchange(failure) => failure.map(Fault::from),
            Spilt::Sink(never) => match never {},
        })?;
        let sha1 = hex(&digest.sha1.finalize());
        attempt.evidence.object.get_or_insert_default().sha1 = Some(sha1.clone());
        Ok(Downloaded { code, length, sha1 })
    }
}

/// Where the service says that an object is.
pub(super) fn access_url(attempt: &mut Attempt<'_>, data: &Data) -> Result<Url, Failure<Fault>> {
    let read = data.access_url().map(Url::parse);
    match read {
        Some(Ok(mut url)) if matches!(url.scheme(), "http" | "https") && url.port() != Some(0) => {
            // Credentials that a service puts there are none of the task's; URLs with a host can lose them.
            let _ = url.set_username("").and_then(|()| url.set_password(None));
            url.set_fragment(None);
            Ok(url)
        }
        Some(_) => Err(incomplete(attempt, "an access_url that is no http or https URL")),
        None => Err(incomplete(attempt, "no access_url, so that there is nothing to download from")),
    }
}

/// The code that the head of a download's answer stands for.
fn judge(answer: &Answer) -> Result<Code, Failure<Fault>> {
    let status = answer.status.as_u16();
    let by_status = Code::of_download(status);
    let detail = format!("the download host answered with the HTTP status {status}");
    match error_number(&answer.headers) {
        Some(code) => {
            Err(Failure::new(Fault::Said(Layer::Download, code), format!("{detail}, and X-ErrNo says {code}")))
        }
        None if matches!(answer.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) => Ok(by_status),
        None if by_status.entry().is_some() => Err(Failure::new(Fault::Said(Layer::Download, by_status), detail)),
        None => {
            let detail = format!("{detail}, which is none that it has");
            Err(Failure::new(Fault::Said(Layer::Download, by_status), detail))
        }
    }
}

/// The number beside the status, if it is one that the service is known to put there.
fn error_number(headers: &HeaderMap) -> Option<Code> {
    let numbers = headers.get_all(ERROR_NUMBER).iter().filter_map(|value| value.to_str().ok()?.trim().parse().ok());
    numbers.into_iter().find_map(Code::of_download_header)
}

/// Counts and digests what comes.
#[derive(Default)]
struct Digesting {
    length: u64,
    sha1: Sha1,
}

impl Sink for Digesting {
    type Error = Infallible;

    async fn take(&mut self, bytes: Bytes) -> Result<(), Infallible> {
        self.length += bytes.len() as u64;
        self.sha1.update(&bytes);
        Ok(())
    }
}
