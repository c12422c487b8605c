//! Step 5: what the operations find in the bucket, and what they do there.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::Refusal;
use super::parameters::{Deed, Marks};
use super::slices;
use super::state::{Entries, Entry, File, State, exists, has_entries, sha1_hex};
use super::url::{Place, encoded, is_folder};
use crate::lab::tls::to_hex;

/// One request at work.
pub struct Desk<'s> {
    /// What the service keeps.
    pub state: &'s mut State,
    /// What the request is about.
    pub place: &'s Place,
    /// Where the service is, as in `http://127.0.0.1:80`.
    pub base: &'s str,
    /// The time, in Unix seconds.
    pub now: u64,
}

impl Desk<'_> {
    /// Where a file is, as answers say it.
    pub fn whereabouts(&self, place: &Place) -> Value {
        let Place { appid, bucket, path } = place;
        json!({
            "access_url": self.access_url(place),
            "url": format!("{}/files/v1/{appid}/{bucket}{}", self.base, encoded(path)),
            "resource_path": place.resource(),
        })
    }

    fn access_url(&self, place: &Place) -> String {
        format!("{}/{}-{}{}", self.base, place.bucket, place.appid, encoded(&place.path))
    }

    fn describe(&self, place: &Place, name: &str, entry: &Entry) -> Value {
        let mut data = json!({ "name": name, "biz_attr": entry.biz_attr, "ctime": entry.ctime, "mtime": entry.mtime });
        if let Some(file) = &entry.file {
            let length = file.content.len();
            data["filesize"] = length.into();
            data["filelen"] = length.into();
            data["sha"] = file.sha.as_str().into();
            data["access_url"] = self.access_url(place).into();
            let authority = if file.authority.is_empty() { "eInvalid" } else { &file.authority };
            data["authority"] = authority.into();
            data["custom_headers"] = json!(file.custom_headers);
        }
        data
    }
}

/// Does what a request asks for.
pub fn perform(desk: &mut Desk<'_>, deed: Deed) -> Result<Value, Refusal> {
    let place = desk.place;
    desk.state.bucket(place)?;
    match deed {
        Deed::Stat => {
            let entry = desk.state.entry(place).ok_or(Refusal("ERROR_CMD_COS_INDEX_ERROR"))?;
            Ok(desk.describe(place, &name_of(&place.path), &entry))
        }
        Deed::List { .. } => list(desk, deed),
        Deed::Create { biz_attr } => create(desk, biz_attr),
        Deed::Update(marks) => update(desk, marks),
        Deed::Delete => delete(desk.state, place).map(|()| json!({})),
        Deed::Move { dest, overwrite } => rename(desk, &dest, overwrite),
        Deed::Upload { content, sha, insert_only, marks } => upload(desk, content, &sha, insert_only, marks),
        Deed::Init { insert_only, .. } => {
            check_free(desk.state.bucket(place)?, &place.path, insert_only)?;
            slices::begin(desk, deed)
        }
        Deed::Slice { session, offset, content, sha } => slices::add(desk, session, &offset, &content, sha.as_deref()),
    }
}

/// Puts a file where the request says, and says where that is.
pub fn store(desk: &mut Desk<'_>, file: File, biz_attr: &str) -> Result<Value, Refusal> {
    let (place, now) = (desk.place, desk.now);
    let entries = desk.state.bucket(place)?;
    let ctime = entries.get(&place.path).map_or(now, |old| old.ctime);
    let entry = Entry { biz_attr: biz_attr.to_owned(), ctime, mtime: now, file: Some(file) };
    entries.insert(place.path.clone(), entry);
    Ok(desk.whereabouts(place))
}

/// No file and folder of one name, and no file where one must not be replaced.
fn check_free(entries: &Entries, path: &str, insert_only: bool) -> Result<(), Refusal> {
    check_conflict(entries, path)?;
    if insert_only && entries.contains_key(path) { Err(Refusal("ErrSameFileUpload")) } else { Ok(()) }
}

fn check_conflict(entries: &Entries, path: &str) -> Result<(), Refusal> {
    let twin = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
    let above = path.match_indices('/').skip(1).map(|(at, _)| &path[..at]);
    let below_a_file = above.filter(|folder| *folder != twin).any(|folder| entries.contains_key(folder));
    if exists(entries, &twin) || below_a_file { Err(Refusal("ERROR_CMD_COS_PATH_CONFLICT")) } else { Ok(()) }
}

fn create(desk: &mut Desk<'_>, biz_attr: String) -> Result<Value, Refusal> {
    let (place, now) = (desk.place, desk.now);
    let entries = desk.state.bucket(place)?;
    if exists(entries, &place.path) {
        return Err(Refusal("ERROR_CMD_COS_PATH_CONFLICT"));
    }
    check_conflict(entries, &place.path)?;
    entries.insert(place.path.clone(), Entry { biz_attr, ctime: now, mtime: now, file: None });
    Ok(json!({ "ctime": now, "resource_path": place.resource() }))
}

fn upload(desk: &mut Desk<'_>, content: Bytes, sha: &str, insert_only: bool, marks: Marks) -> Result<Value, Refusal> {
    check_free(desk.state.bucket(desk.place)?, &desk.place.path, insert_only)?;
    if sha1_hex(&content) != sha {
        return Err(Refusal("ERROR_CGI_SHA_NOT_MATCH"));
    }
    let file = File::new(content, &marks.authority.unwrap_or_default());
    store(desk, file, &marks.biz_attr.unwrap_or_default())
}

fn update(desk: &mut Desk<'_>, marks: Marks) -> Result<Value, Refusal> {
    let (place, now) = (desk.place, desk.now);
    let mut entry = existing(desk.state, place)?;
    entry.mtime = now;
    if let Some(biz_attr) = marks.biz_attr {
        entry.biz_attr = biz_attr;
    }
    if let Some(file) = &mut entry.file {
        file.authority = marks.authority.unwrap_or_else(|| file.authority.clone());
        file.custom_headers.extend(marks.custom_headers.unwrap_or_default());
    }
    desk.state.bucket(place)?.insert(place.path.clone(), entry);
    Ok(json!({}))
}

/// Deletes a file or an empty folder. An upload that is under way is given up, and its file is not there then.
pub fn delete(state: &mut State, place: &Place) -> Result<(), Refusal> {
    let abandoned = state.abandon(place);
    match existing(state, place) {
        Err(_) if abandoned => return Ok(()),
        found => found?,
    };
    let entries = state.bucket(place)?;
    if is_folder(&place.path) && has_entries(entries, &place.path) {
        return Err(Refusal("ERROR_CMD_COS_DIR_NOT_EMPTY"));
    }
    entries.remove(&place.path);
    Ok(())
}

fn rename(desk: &mut Desk<'_>, target: &str, overwrite: bool) -> Result<Value, Refusal> {
    let (place, now) = (desk.place, desk.now);
    let entry = existing(desk.state, place)?;
    let entries = desk.state.bucket(place)?;
    check_conflict(entries, target)?;
    if !overwrite && entries.contains_key(target) {
        return Err(Refusal("ERROR_CMD_COS_FILE_EXIST"));
    }
    entries.remove(&place.path);
    entries.insert(target.to_owned(), Entry { mtime: now, ..entry });
    Ok(json!({ "resource_path": place.beside(target).resource() }))
}

/// What is to be changed: it is there, and is not the bucket itself.
fn existing(state: &State, place: &Place) -> Result<Entry, Refusal> {
    if place.path == "/" {
        return Err(Refusal("ERROR_CMD_COS_INVALID_PATH"));
    }
    state.entry(place).ok_or(Refusal("ERROR_CMD_FILE_NOTEXIST"))
}

fn list(desk: &mut Desk<'_>, deed: Deed) -> Result<Value, Refusal> {
    let Deed::List { num, folders, files, backwards, context } = deed else { return Ok(json!({})) };
    let path = &desk.place.path;
    let entries = desk.state.bucket(desk.place)?;
    let cut = path.rfind('/').map_or(0, |at| at + 1);
    let (folder, prefix) = path.split_at(cut);
    if !exists(entries, folder) {
        return Err(Refusal("ERROR_CMD_COS_INDEX_ERROR"));
    }
    let names = names_in(entries, folder, prefix);
    let folder_count = names.iter().filter(|name| is_folder(name)).count();
    let file_count = names.len() - folder_count;
    let wanted = |name: &&String| if is_folder(name) { folders } else { files };
    let mut left: Vec<String> = names.iter().filter(wanted).cloned().collect();
    if backwards {
        left.reverse();
    }
    let begin = if context.is_empty() { 0 } else { 1 + position(&left, &context)? };
    let page = &left[begin..left.len().min(begin + num)];
    let more = begin + page.len() < left.len();
    let context = page.last().map_or(context, |last| encode_context(last));
    let infos: Vec<Value> = page
        .iter()
        .map(|name| {
            let place = desk.place.beside(&format!("{folder}{name}"));
            desk.describe(&place, name, &desk.state.entry(&place).unwrap_or_default())
        })
        .collect();
    Ok(json!({
        "context": context, "has_more": more, "dircount": folder_count, "filecount": file_count, "infos": infos,
    }))
}

/// What stands in a folder and begins with a prefix: names of files, and of folders with a slash, in order.
fn names_in(entries: &Entries, folder: &str, prefix: &str) -> Vec<String> {
    let below = entries.keys().filter_map(|path| path.strip_prefix(folder)).filter(|rest| !rest.is_empty());
    let mut names: Vec<String> = below
        .filter(|rest| rest.starts_with(prefix))
        .map(|rest| rest.find('/').map_or(rest, |at| &rest[..=at]).to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Clients hand a context on and do not look into it.
fn encode_context(name: &str) -> String {
    to_hex(name.as_bytes())
}

fn position(names: &[String], context: &str) -> Result<usize, Refusal> {
    let found = names.iter().position(|name| encode_context(name) == context);
    found.ok_or(Refusal("ERROR_CMD_PARAM_INVALID"))
}

/// The last segment of a path; that of a folder with its slash.
fn name_of(path: &str) -> String {
    let inner = path.strip_suffix('/').unwrap_or(path);
    let cut = inner.rfind('/').map_or(0, |at| at + 1);
    path[cut..].to_owned()
}
