//! Uploads: in one request, or slice by slice.
//!
//! Slices go one after the other, each of the size that the service granted, from the offset that it began with; offsets in
//! later answers do not count. The answer to the last slice is the finish. A slice is tried three times where no answer
//! comes, or a status of 5xx; the last try decides.

use std::time::Duration;

use super::Upload;
use super::answer::Data;
use super::client::{Client, incomplete, spoil_step};
use super::fault::{Answer, Fault, SliceSize};
use super::form::Form;
use super::source::Content;
use crate::exchange::Patience;
use crate::fault::Failure;
use crate::net::Attempt;

/// The service takes no more in one request.
pub(super) const LARGEST_SIMPLE: u64 = 20 << 20;
/// The service grants no larger slices.
const LARGEST_SLICE: i64 = 3 << 20;
/// How often a slice is tried.
const TRIES: u32 = 3;
/// How long a try may be silent where there is another one: the longest time-out of the service's own clients.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// What the task says of slices.
pub(super) struct Slices<'t> {
    pub(super) size: i64,
    pub(super) session: Option<&'t str>,
}

/// An upload under way.
struct Session {
    id: String,
    offset: u64,
    slice_size: u64,
}

impl Client<'_> {
    /// Uploads a file in one request.
    pub(super) async fn upload(
        &mut self,
        attempt: &mut Attempt<'_>,
        upload: &Upload,
        content: &Content,
    ) -> Result<(), Failure<Fault>> {
        let form = Form::new("upload")
            .field("sha", &content.sha1)
            .field_if_any("biz_attr", upload.biz_attr.as_deref())
            .field("insertOnly", insert_only(upload))
            .field_if_any("authority", upload.authority.as_deref());
        let (content_type, head, tail) = form.around_file();
        let body = content.part(head, 0, content.length, tail);
        let request = self.posting(self.reusable(), (content_type, body));
        let data = self.call(attempt, "upload", request).await?;
        finished(attempt, &data)
    }

    /// Uploads a file slice by slice.
    pub(super) async fn upload_slices(
        &mut self,
        attempt: &mut Attempt<'_>,
        upload: &Upload,
        content: &Content,
        wanted: &Slices<'_>,
    ) -> Result<(), Failure<Fault>> {
        let Some(session) = self.begin(attempt, upload, content, wanted).await? else {
            return Ok(());
        };
        let mut last = Data::default();
        let mut offset = session.offset;
        let mut number = 1;
        while offset < content.length {
            let length = session.slice_size.min(content.length - offset);
            last = self.slice(attempt, upload, content, &session, &Slice { number, offset, length }).await?;
            offset += length;
            number += 1;
        }
        finished(attempt, &last)
    }

    /// Begins an upload; none is needed where the service has the content already.
    async fn begin(
        &mut self,
        attempt: &mut Attempt<'_>,
        upload: &Upload,
        content: &Content,
        wanted: &Slices<'_>,
    ) -> Result<Option<Session>, Failure<Fault>> {
        let form = Form::new("upload_slice")
            .field("filesize", &content.length.to_string())
            .field("sha", &content.sha1)
            .field("slice_size", &wanted.size.to_string())
            .field_if_any("biz_attr", upload.biz_attr.as_deref())
            .field_if_any("session", wanted.session)
            .field("insertOnly", insert_only(upload));
        let request = self.posting(self.reusable(), form.finish());
        let data = self.call(attempt, "init", request).await?;
        let Some(id) = data.text("session") else {
            return match data.access_url() {
                Some(_) => Ok(None),
                None => Err(incomplete(attempt, "names neither a session nor where the content is")),
            };
        };
        let (Some(offset), Some(granted)) = (data.number("offset"), data.number("slice_size")) else {
            return Err(incomplete(attempt, "lacks the offset or the slice_size of the session"));
        };
        let slice_size = match u64::try_from(granted) {
            Ok(size @ 1..) if granted <= LARGEST_SLICE => size,
            _ => {
                let detail = format!("the service grants slices of {granted} bytes; they have 1 to {LARGEST_SLICE}");
                return Err(spoil_step(attempt, Failure::new(SliceSize::Granted, detail)));
            }
        };
        match u64::try_from(offset).ok().filter(|offset| *offset <= content.length) {
            Some(offset) => Ok(Some(Session { id: id.to_owned(), offset, slice_size })),
            None => Err(incomplete(attempt, "names an offset outside the file")),
        }
    }

    /// Sends one slice, up to three times.
    async fn slice(
        &mut self,
        attempt: &mut Attempt<'_>,
        upload: &Upload,
        content: &Content,
        session: &Session,
        slice: &Slice,
    ) -> Result<Data, Failure<Fault>> {
        let step = format!("slice {}", slice.number);
        let mut left = TRIES;
        loop {
            left -= 1;
            let (content_type, head, tail) = Form::new("upload_slice")
                .field("session", &session.id)
                .field("offset", &slice.offset.to_string())
                .field("insertOnly", insert_only(upload))
                .around_file();
            let body = content.part(head, slice.offset, slice.length, tail);
            let mut request = self.posting(self.reusable(), (content_type, body));
            // A slow service gets half of the time, and a silent one leaves the other half for the other tries.
            request.patience = (left > 0).then(|| Patience::Head(LONGEST_SILENCE.min(attempt.time_left() / 2)));
            let result = self.call(attempt, &step, request).await;
            match result {
                Err(failure) if left > 0 && is_worth_another(attempt, &failure) => {
                    tracing::debug!(target: "conversation", "* {step}: {}, trying again", attempt.strike(&failure.detail));
                }
                Ok(_) if left > 0 && answered_5xx(attempt) => {
                    tracing::debug!(target: "conversation", "* {step}: a status of 5xx, trying again");
                }
                decided => return decided,
            }
        }
    }
}

/// One slice of a file.
struct Slice {
    number: u32,
    offset: u64,
    length: u64,
}

/// Whether there was no answer, or one of 5xx, and there is time left.
fn is_worth_another(attempt: &Attempt<'_>, failure: &Failure<Fault>) -> bool {
    let another = failure.fault.is_no_answer() || (answered_5xx(attempt) && is_an_answer(failure.fault));
    another && !attempt.time_left().is_zero()
}

/// Whether the last answer has a status of 5xx.
pub(super) fn answered_5xx(attempt: &Attempt<'_>) -> bool {
    attempt.evidence.http.as_ref().is_some_and(|http| http.status / 100 == 5)
}

fn is_an_answer(fault: Fault) -> bool {
    matches!(fault, Fault::Said(..) | Fault::Answer(Answer::WithoutCode | Answer::TooLarge))
}

fn insert_only(upload: &Upload) -> &'static str {
    if upload.overwrite { "0" } else { "1" }
}

/// The answer to the last of an upload says where the file is.
fn finished(attempt: &mut Attempt<'_>, data: &Data) -> Result<(), Failure<Fault>> {
    match data.access_url() {
        Some(_) => Ok(()),
        None => Err(incomplete(attempt, "does not say where the file is (access_url)")),
    }
}
