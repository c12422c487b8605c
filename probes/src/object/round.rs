//! A round: upload, stat, download, compare, delete. It leaves nothing behind, wherever it fails.
//!
//! The delete has a share of the time that nothing else may take. It runs whenever the upload may have stored something; but
//! where the task replaces no file that is there (`overwrite = false`) only if the service said that it stored ours.

use std::time::Duration;

use super::answer::Data;
use super::client::{Client, note_step, skip_step};
use super::download::{Downloaded, access_url};
use super::fault::{Fault, Mismatch};
use super::source::Content;
use super::upload::answered_5xx;
use super::{Answer, Upload};
use crate::codes::Code;
use crate::evidence::Evidence;
use crate::fault::Failure;
use crate::net::Attempt;

/// What the delete has for itself: a share of the time, and no more than it ever needs.
const SHARE_OF_DELETE: u32 = 5;
const MOST_FOR_DELETE: Duration = Duration::from_secs(2);

/// Whether the upload left something to be deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Left {
    /// The service says so.
    Stored,
    /// Nobody knows.
    Unknown,
    /// Nothing was sent.
    Nothing,
    /// The service refused it: what is there is not ours.
    Refused,
}

impl Client<'_> {
    pub(super) async fn round(
        &mut self,
        attempt: &mut Attempt<'_>,
        upload: &Upload,
        content: &Content,
    ) -> Result<(), Failure<Fault>> {
        let left = attempt.time_left();
        let run = attempt.shorten(left.saturating_sub(MOST_FOR_DELETE.min(left / SHARE_OF_DELETE)));
        let uploaded = self.upload(attempt, upload, content).await;
        let left = left_by(attempt, &uploaded);
        let result = match uploaded {
            Ok(()) => self.look_and_compare(attempt, content).await,
            Err(failure) => Err(failure),
        };
        attempt.lengthen(run);
        let why = match left {
            Left::Nothing => Some("nothing was sent"),
            Left::Refused => Some("the service refused the upload"),
            Left::Unknown if !upload.overwrite => Some("the file there may be another one's: overwrite = false"),
            Left::Unknown | Left::Stored => None,
        };
        match (result, why) {
            (result, Some(why)) => {
                skip_step(attempt, "delete", why);
                result
            }
            (Ok(()), None) => self.delete(attempt).await,
            (Err(failure), None) => {
                self.clean_up(attempt).await;
                Err(failure)
            }
        }
    }

    /// Asks about the file, downloads it, and compares it with what was sent.
    async fn look_and_compare(&mut self, attempt: &mut Attempt<'_>, content: &Content) -> Result<(), Failure<Fault>> {
        let data = self.facts(attempt).await?;
        let url = match self.download_url() {
            Some(url) => url,
            None => access_url(attempt, &data)?,
        };
        let downloaded = self.fetch(attempt, url, None).await?;
        let compared = compare(content, &data, &downloaded);
        note_step(attempt, "compare", compared.as_ref().map(|()| Code::success()));
        compared
    }

    /// Deletes behind a failure, which stays the verdict with all that belongs to it.
    async fn clean_up(&mut self, attempt: &mut Attempt<'_>) {
        if let Some(phase) = attempt.current() {
            attempt.blame(phase);
        }
        let Evidence { http, object, tls, dns, .. } = attempt.evidence.clone();
        let remote = attempt.remote;
        // What comes of it stands in its step.
        let _ = self.delete(attempt).await;
        (attempt.evidence.http, attempt.evidence.object) = (http, object);
        attempt.evidence.tls = tls.or(attempt.evidence.tls.take());
        attempt.evidence.dns = dns.or(attempt.evidence.dns.take());
        attempt.remote = remote;
    }
}

fn left_by(attempt: &Attempt<'_>, uploaded: &Result<(), Failure<Fault>>) -> Left {
    match uploaded.as_ref().map_err(|failure| failure.fault) {
        // It said that all is well.
        Ok(()) | Err(Fault::Answer(Answer::Incomplete)) => Left::Stored,
        Err(fault) if fault.is_before_sending() => Left::Nothing,
        // A service in trouble may have stored it all the same.
        Err(Fault::Said(..)) if !answered_5xx(attempt) => Left::Refused,
        Err(_) => Left::Unknown,
    }
}

/// Sizes first, then digests: of what came, and of what the service says of it.
fn compare(content: &Content, data: &Data, downloaded: &Downloaded) -> Result<(), Failure<Fault>> {
    let Content { length, sha1, .. } = content;
    if downloaded.length != *length {
        let detail = format!("{length} bytes were uploaded and {} downloaded", downloaded.length);
        return Err(Failure::new(Mismatch::Size, detail));
    }
    let sizes = ["filesize", "filelen"].into_iter().filter_map(|key| data.number(key));
    if let Some(said) = sizes.into_iter().find(|said| u64::try_from(*said) != Ok(*length)) {
        let detail = format!("{length} bytes were uploaded, and the service says that the file has {said}");
        return Err(Failure::new(Mismatch::Size, detail));
    }
    if downloaded.sha1 != *sha1 {
        let detail = format!("what was uploaded has the SHA-1 {sha1}, what was downloaded {}", downloaded.sha1);
        return Err(Failure::new(Mismatch::Sha, detail));
    }
    if let Some(said) = data.text("sha").filter(|said| !said.eq_ignore_ascii_case(sha1)) {
        let detail = format!("what was uploaded has the SHA-1 {sha1}, and the service says {said}");
        return Err(Failure::new(Mismatch::Sha, detail));
    }
    Ok(())
}
