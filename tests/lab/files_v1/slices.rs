//! Step 6: sessions, and the slices of an upload. Slices go one after the other; the answer to the last is the finish.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::describe::Begun;
use super::operations::{Desk, store};
use super::parameters::Deed;
use super::state::{File, State, sha1_hex};
use super::url::Place;

/// The length of a slice's SHA-1.
const SHA: usize = 40;

/// Whether an upload goes on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Life {
    /// Slices are awaited.
    Open,
    /// The file is there.
    Finished,
    /// Someone deleted the file or the session meanwhile.
    Removed,
}

/// An upload in slices.
#[derive(Clone, Debug)]
pub struct Session {
    /// Where the file goes to.
    pub place: Place,
    /// The SHA-1 of the whole.
    pub sha: String,
    /// The length of the whole.
    pub filesize: u64,
    /// The length of every slice but the last.
    pub slice_size: u64,
    /// The mark of the file.
    pub biz_attr: String,
    /// What has come.
    pub content: Vec<u8>,
    /// Whether it goes on.
    pub life: Life,
}

impl Session {
    /// One that a case says was begun before; with all its bytes it is finished.
    pub fn begun(begun: &Begun, place: Place) -> Self {
        let Begun { text, stored, slice_size, .. } = begun;
        let bytes = text.as_bytes();
        let (sha, content) = (sha1_hex(bytes), bytes[..*stored].to_vec());
        let life = if content.len() == bytes.len() { Life::Finished } else { Life::Open };
        let filesize = bytes.len() as u64;
        Self { place, sha, filesize, slice_size: *slice_size, biz_attr: String::new(), content, life }
    }

    fn stored(&self) -> u64 {
        self.content.len() as u64
    }

    /// The bytes at an offset, if they are the last slice of all.
    fn is_last(&self, offset: u64, content: &[u8]) -> bool {
        offset + content.len() as u64 == self.filesize
            && usize::try_from(offset).is_ok_and(|offset| self.content.get(offset..) == Some(content))
    }
}

/// Begins an upload, or says where one goes on.
pub fn begin(desk: &mut Desk<'_>, deed: Deed) -> Result<Value, Refusal> {
    let Deed::Init { filesize, sha, slice_size, session, biz_attr, .. } = deed else { return Ok(json!({})) };
    if let Some(id) = session {
        let session = find(desk.state, desk.place, &id)?;
        if session.life == Life::Finished {
            return Err(Refusal("ERROR_PROXY_WRONG_SESSION"));
        }
        if session.sha != sha {
            return Err(Refusal("ErrNotSameSHA"));
        }
        if session.life == Life::Removed {
            return Err(Refusal("ErrOffsetBackTooMuch"));
        }
        return Ok(json!({ "session": id, "offset": session.stored(), "slice_size": session.slice_size }));
    }
    // The service has it already: nothing has to be sent.
    if let Some(content) = desk.state.content(&desk.place.appid, &sha, filesize) {
        return store(desk, File::new(content, ""), &biz_attr);
    }
    let id = format!("{:032x}", 0xf11e_0000_0000_0000_u128 + desk.state.sessions.len() as u128);
    let (place, content) = (desk.place.clone(), Vec::new());
    let session = Session { place, sha, filesize, slice_size, biz_attr, content, life: Life::Open };
    desk.state.sessions.insert(id.clone(), session);
    Ok(json!({ "session": id, "offset": 0, "slice_size": slice_size }))
}

/// Stores a slice; with the last one the file is there.
pub fn add(
    desk: &mut Desk<'_>,
    session: Option<String>,
    offset: &str,
    content: &Bytes,
    sha: Option<&str>,
) -> Result<Value, Refusal> {
    let id = session.ok_or(Refusal("ERROR_PROXY_NO_SESSION"))?;
    let session = find(desk.state, desk.place, &id)?;
    let number: Option<u64> = offset.parse().ok();
    if session.life == Life::Finished {
        // Its answer was lost, and it is sent again.
        return match number.filter(|offset| session.is_last(*offset, content)) {
            Some(offset) => Ok(finished(desk, &id, offset)),
            None => Err(Refusal("ERROR_PROXY_WRONG_SESSION")),
        };
    }
    if session.life == Life::Removed {
        return Err(Refusal("ErrOffsetBackTooMuch"));
    }
    let offset = number.ok_or(Refusal("ERROR_CGI_REQ_PARAM"))?;
    let stored = session.stored();
    let again = offset < stored && offset.is_multiple_of(session.slice_size);
    if offset != stored && !again {
        return Err(Refusal("ERROR_PROCESS_OFFSET"));
    }
    let (length, left) = (content.len() as u64, session.filesize - offset);
    let last = left <= session.slice_size;
    if !last && length != session.slice_size {
        return Err(Refusal("ERROR_PROCESS_WRONG_SLICE_SIZE"));
    }
    if sha.is_some_and(|sha| sha.len() != SHA) {
        return Err(Refusal("ErrParamInvalidCheckSumSizeInvalid"));
    }
    if last && length != left {
        return Err(Refusal("ERROR_CMD_COS_FILE_SIZE_NOT_EQU"));
    }
    if !again {
        session.content.extend_from_slice(content);
    }
    if session.stored() < session.filesize {
        return Ok(json!({ "session": id, "offset": offset }));
    }
    finish(desk, &id, offset)
}

/// All slices are there.
fn finish(desk: &mut Desk<'_>, id: &str, offset: u64) -> Result<Value, Refusal> {
    let Some(session) = desk.state.sessions.get_mut(id) else { return Ok(json!({})) };
    if sha1_hex(&session.content) != session.sha {
        // Nothing can be done with what came: the upload has to begin anew.
        session.life = Life::Removed;
        return Err(Refusal("ERROR_CMD_COS_SHA_NOT_EQU"));
    }
    session.life = Life::Finished;
    let (content, biz_attr) = (Bytes::from(session.content.clone()), session.biz_attr.clone());
    store(desk, File::new(content, ""), &biz_attr)?;
    Ok(finished(desk, id, offset))
}

fn finished(desk: &Desk<'_>, id: &str, offset: u64) -> Value {
    let mut data = desk.whereabouts(desk.place);
    data["session"] = id.into();
    data["offset"] = offset.into();
    data
}

fn find<'s>(state: &'s mut State, place: &Place, id: &str) -> Result<&'s mut Session, Refusal> {
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Refusal("ErrParamInvalidSessionDecodeError"));
    }
    match state.sessions.get_mut(id) {
        Some(session) if session.place != *place => Err(Refusal("ERROR_CGI_WRONG_SESSION")),
        Some(session) => Ok(session),
        None => Err(Refusal("ERROR_PROXY_WRONG_SESSION")),
    }
}
