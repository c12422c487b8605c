//! The rules that a task is held to before anything is sent.

use url::Url;

use super::fault::{Fault, SliceSize, Task, fails};
use super::path::{self, Form, objection, objection_to_relative};
use super::{List, Object, Operation, Update};
use crate::exchange::fits_a_request;
use crate::fault::Failure;

/// How many entries a page may have.
const NUMBERS: std::ops::RangeInclusive<i64> = 1..=199;
const PATTERNS: [&str; 3] = ["eListBoth", "eListDirOnly", "eListFileOnly"];
const ORDERS: [i64; 2] = [0, 1];
const AUTHORITIES: [&str; 3] = ["eInvalid", "eWRPrivate", "eWPrivateRPublic"];
/// The sizes of slices that a client may ask for.
const SLICE_SIZES: [i64; 4] = [512 << 10, 1 << 20, 2 << 20, 3 << 20];

/// The parameters, and the URL that they make.
pub(super) fn check(object: &Object) -> Result<Url, Failure<Fault>> {
    check_account(object)?;
    check_path(object)?;
    match &object.operation {
        Operation::List(list) => check_list(list)?,
        Operation::Update(update) => check_update(update)?,
        Operation::Upload(upload) | Operation::UploadSlice { upload, .. } | Operation::Round(upload) => {
            check_authority(upload.authority.as_deref())?;
        }
        Operation::Move { dest, .. } => refuse_path("dest", objection_to_relative(dest, Form::File))?,
        Operation::CreateFolder { .. } | Operation::Stat | Operation::Download { .. } | Operation::Delete => {}
    }
    let (appid, bucket) = (path::segment(&object.account.appid), path::segment(&object.account.bucket));
    let url = format!("{}{appid}/{bucket}{}", object.endpoint, path::encoded(&object.path));
    match Url::parse(&url) {
        Ok(url) if fits_a_request(&url) => Ok(url),
        _ => fails(Task::Path, "the path is longer than a request can carry (64 KiB)"),
    }
}

/// The size of slices that the task wants.
pub(super) fn check_slice_size(object: &Object) -> Result<(), Failure<Fault>> {
    match object.operation {
        Operation::UploadSlice { slice_size, .. } if !SLICE_SIZES.contains(&slice_size) => {
            let known = SLICE_SIZES.map(|size| size.to_string()).join(", ");
            fails(SliceSize::Wanted, format!("slice_size is {slice_size}, and must be one of {known}"))
        }
        _ => Ok(()),
    }
}

fn check_account(object: &Object) -> Result<(), Failure<Fault>> {
    let account = &object.account;
    let keys =
        [("appid", &*account.appid), ("secret_id", &account.secret_id), ("secret_key", account.secret_key.expose())];
    if let Some((key, _)) = keys.into_iter().find(|(_, value)| value.is_empty()) {
        return fails(Task::Credentials, format!("the task has no {key}"));
    }
    // Whoever reads a URL takes them away.
    let segments = [("appid", &*account.appid), ("bucket", &account.bucket)];
    match segments.into_iter().find(|(_, value)| matches!(*value, "." | "..")) {
        Some((key, value)) => fails(Task::Path, format!("the {key} is `{value}`, which no URL can carry")),
        None => Ok(()),
    }
}

fn check_path(object: &Object) -> Result<(), Failure<Fault>> {
    let form = match &object.operation {
        Operation::CreateFolder { .. } => Form::Folder,
        Operation::Stat | Operation::List(_) | Operation::Update(_) | Operation::Delete => Form::Any,
        // The root has a rule of its own.
        Operation::Move { .. } if object.path == "/" => Form::Any,
        Operation::Upload(_)
        | Operation::UploadSlice { .. }
        | Operation::Round(_)
        | Operation::Download { .. }
        | Operation::Move { .. } => Form::File,
    };
    refuse_path("path", objection(&object.path, form))?;
    let changes = matches!(object.operation, Operation::Update(_) | Operation::Move { .. } | Operation::Delete);
    if changes && object.path == "/" {
        return fails(
            Task::Root,
            "the path is the root of the bucket, which can be neither changed nor moved nor deleted",
        );
    }
    Ok(())
}

fn refuse_path(key: &str, objection: Option<String>) -> Result<(), Failure<Fault>> {
    match objection {
        Some(why) => fails(Task::Path, format!("{key}: {why}")),
        None => Ok(()),
    }
}

fn check_list(list: &List) -> Result<(), Failure<Fault>> {
    let List { num, pattern, order, .. } = list;
    if !NUMBERS.contains(num) {
        let (least, most) = (NUMBERS.start(), NUMBERS.end());
        return fails(Task::Parameter, format!("num is {num}, and must be from {least} to {most}"));
    }
    if !PATTERNS.contains(&pattern.as_str()) {
        return fails(Task::Parameter, format!("pattern is `{pattern}`, and must be one of {}", PATTERNS.join(", ")));
    }
    if !ORDERS.contains(order) {
        return fails(Task::Parameter, format!("order is {order}, and must be 0 or 1"));
    }
    Ok(())
}

fn check_update(update: &Update) -> Result<(), Failure<Fault>> {
    let Update { biz_attr, authority, custom_headers } = update;
    if biz_attr.is_none() && authority.is_none() && custom_headers.is_empty() {
        let detail = "an update needs at least one of biz_attr, authority and custom_headers";
        return fails(Task::NothingToUpdate, detail);
    }
    check_authority(authority.as_deref())
}

fn check_authority(authority: Option<&str>) -> Result<(), Failure<Fault>> {
    match authority.filter(|authority| !AUTHORITIES.contains(authority)) {
        Some(other) => {
            fails(Task::Parameter, format!("authority is `{other}`, and must be one of {}", AUTHORITIES.join(", ")))
        }
        None => Ok(()),
    }
}
