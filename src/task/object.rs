//! The table `[task.object]`.
//!
//! What is wrong with the parameters, the source or the size of slices is no mistake of the task here: the book has codes
//! for it. What has none (an operation that does not exist, a key of another operation, a target that is no URL) is one.

use std::collections::BTreeMap;

use http::HeaderName;
use probes::object::{Account, List, Object, Operation, Update, Upload};
use probes::secret::Secret;
use probes::spec::Spec;
use url::Url;

use super::{Around, Specs, Target, tls};
use crate::reader::{Item, Table};

/// How large slices are.
const DEFAULT_SLICE: i64 = 1 << 20;
/// How many entries a page of a listing has.
const DEFAULT_NUM: i64 = 20;
/// Nobody reads more pages in one run.
const MOST_PAGES: u64 = 10_000;
const HELP: &str = "an object target is the URL of the interface, such as http://web.file.myqcloud.com/files/v1/";

/// The operations, and the keys that each has beside those that all have.
const OPERATIONS: [(&str, &[&str]); 10] = [
    ("create_folder", &["biz_attr"]),
    ("upload", &["source", "overwrite", "biz_attr", "authority"]),
    ("upload_slice", &["source", "slice_size", "session", "overwrite", "biz_attr"]),
    ("stat", &[]),
    ("list", &["num", "pattern", "order", "context", "pages"]),
    ("download", &["range", "download_host"]),
    ("update", &["biz_attr", "authority", "custom_headers"]),
    ("move", &["dest", "overwrite"]),
    ("delete", &[]),
    ("round", &["source", "overwrite", "biz_attr", "authority", "download_host"]),
];

pub(super) fn read(around: &Around<'_, '_>, targets: &[Target<'_>]) -> Specs {
    let encryption = tls::read(around.tls.as_ref()).ready();
    let Some(table) = around.task.table("object") else { return Specs { probes: Vec::new(), trust: None } };
    let keys = read_keys(&table);
    let probe = |target: &Target<'_>| {
        let endpoint = read_endpoint(target)?;
        let keys = keys.clone()?;
        let object = Object { endpoint, tls: encryption.client.clone(), ..keys };
        Some((target.text.clone(), Spec::Object(Box::new(object))))
    };
    Specs { probes: targets.iter().filter_map(probe).collect(), trust: encryption.trust }
}

/// Everything but the target and TLS.
fn read_keys(table: &Table<'_>) -> Option<Object> {
    let text = |key| table.text(key).map(|text| text.value);
    let account = Account {
        appid: text("appid").unwrap_or_default(),
        bucket: required(table, "bucket"),
        secret_id: text("secret_id").unwrap_or_default(),
        secret_key: Secret::new(table.secret("secret_key").map(|key| key.value).unwrap_or_default()),
    };
    let path = required(table, "path");
    let operation = read_operation(table);
    let download_host = table.take("download_host").and_then(|item| read_download_host(&item, &account));
    let nowhere = Url::parse("http://localhost/").unwrap_or_else(|error| unreachable!("a literal URL parses: {error}"));
    Some(Object {
        endpoint: nowhere,
        account,
        path,
        operation: operation?,
        download_host,
        tls: std::sync::Arc::default(),
    })
}

/// A text that is not empty.
fn required(table: &Table<'_>, key: &'static str) -> String {
    match table.text(key) {
        Some(text) if text.value.is_empty() && key != "path" => {
            table.fail_at(key, format!("`{key}` is empty"));
            String::new()
        }
        Some(text) => text.value,
        None if table.take(key).is_none() => {
            table.fail(format!("an object task needs a `{key}`"));
            String::new()
        }
        None => String::new(),
    }
}

fn read_operation(table: &Table<'_>) -> Option<Operation> {
    let text = |key| table.text(key).map(|text| text.value);
    // All of them are looked at, whatever the operation: a mistake in one is a mistake, and all are known.
    let (biz_attr, authority) = (text("biz_attr"), text("authority"));
    let overwrite = table.boolean("overwrite").unwrap_or(true);
    let source = text("source");
    let session = table.secret("session").map(|session| session.value);
    let slice_size = whole(table, "slice_size").unwrap_or(DEFAULT_SLICE);
    let list = List {
        num: whole(table, "num").unwrap_or(DEFAULT_NUM),
        pattern: text("pattern").unwrap_or_else(|| "eListBoth".to_owned()),
        order: whole(table, "order").unwrap_or(0),
        context: text("context"),
        pages: table.integer("pages", 1..MOST_PAGES + 1).unwrap_or(1),
    };
    let range = table.parsed("range", read_range);
    let dest = text("dest");
    let custom_headers = read_custom_headers(table);
    let Some(item) = table.take("op") else {
        table.fail(format!("an object task needs an `op`: {}", names()));
        return None;
    };
    let (name, own) = item.parsed(|text| {
        let known = OPERATIONS.into_iter().find(|(name, _)| *name == text);
        known.ok_or_else(|| format!("`{text}` is none of the operations {}", names()))
    })?;
    refuse_of_other_operations(table, name, own);
    let upload = || {
        let source = source.as_deref().unwrap_or_else(|| {
            table.fail(format!("op = \"{name}\" needs a `source`, the file to upload"));
            ""
        });
        let source = table.path("source", source);
        Upload { source, overwrite, biz_attr: biz_attr.clone(), authority: authority.clone() }
    };
    Some(match name {
        "create_folder" => Operation::CreateFolder { biz_attr },
        "upload" => Operation::Upload(upload()),
        "upload_slice" => Operation::UploadSlice { upload: upload(), slice_size, session },
        "stat" => Operation::Stat,
        "list" => Operation::List(list),
        "download" => Operation::Download { range },
        "update" => Operation::Update(Update { biz_attr, authority, custom_headers }),
        "move" => {
            let dest = dest.unwrap_or_else(|| {
                table.fail("op = \"move\" needs a `dest`, the new path");
                String::new()
            });
            Operation::Move { dest, overwrite }
        }
        "delete" => Operation::Delete,
        _ => Operation::Round(upload()),
    })
}

fn names() -> String {
    OPERATIONS.map(|(name, _)| name).join(", ")
}

/// Keys of other operations would be forgotten in silence.
fn refuse_of_other_operations(table: &Table<'_>, name: &str, own: &[&str]) {
    let all: std::collections::BTreeSet<&'static str> =
        OPERATIONS.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
    for key in all.into_iter().filter(|key| !own.contains(key)) {
        if table.has(key) {
            table.fail_at(key, format!("`{key}` is no key of op = \"{name}\""));
        }
    }
}

/// A whole number, which the operation judges.
fn whole(table: &Table<'_>, key: &'static str) -> Option<i64> {
    let item = table.take(key)?;
    let number = item.json()?.as_i64();
    if number.is_none() {
        item.fail(format!("`{key}` must be a whole number"));
    }
    number
}

/// The first and the last byte, as in `0-9`, `10-` and `-10`.
fn read_range(text: &str) -> Result<String, String> {
    let bad = || format!("`{text}` is no range of bytes: write 0-9, 10- or -10");
    let (first, last) = text.split_once('-').ok_or_else(bad)?;
    let number = |digits: &str| match digits {
        "" => Ok(None),
        _ if digits.bytes().all(|digit| digit.is_ascii_digit()) => digits.parse::<u64>().map(Some).map_err(|_| bad()),
        _ => Err(bad()),
    };
    match (number(first)?, number(last)?) {
        (None, None) => Err(bad()),
        (Some(first), Some(last)) if first > last => Err(bad()),
        _ => Ok(text.to_owned()),
    }
}

fn read_custom_headers(table: &Table<'_>) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for (name, item) in table.table("custom_headers").map(Table::entries).unwrap_or_default() {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            item.fail_name(format!("`{name}` is no header name"), "as in Cache-Control or x-cos-meta-team");
        }
        if let Some(text) = item.text() {
            fields.insert(name.to_owned(), text.value);
        }
    }
    fields
}

/// The interface, with a slash at the end of its path.
fn read_endpoint(target: &Target<'_>) -> Option<Url> {
    let url = read_base(&target.text).map_err(|why| target.fail_with_help(why, HELP)).ok()?;
    url.host().is_none_or(|host| target.can_be_looked_up(&host.into())).then_some(url)
}

/// Where objects are downloaded.
fn read_download_host(item: &Item<'_>, account: &Account) -> Option<Url> {
    let text = item.text()?.value.replace("{bucket}", &account.bucket).replace("{appid}", &account.appid);
    let help = "as in http://{bucket}-{appid}.file.myqcloud.com/";
    read_base(&text).map_err(|why| item.fail_with_help(why, help)).ok()
}

/// An http or https URL that paths can be written behind.
fn read_base(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("this is no URL: {error}"))?;
    let authority = text.split_once(':').is_some_and(|(_, rest)| rest.starts_with("//") && !rest.starts_with("///"));
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the scheme `{}` is neither http nor https", url.scheme()));
    }
    if !authority {
        return Err("the URL names no host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "the URL takes no user name and password: requests are signed with secret_id and secret_key".to_owned()
        );
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL has something behind its path, where the path of the object goes".to_owned());
    }
    if url.port() == Some(0) {
        return Err("the URL has the port 0, which nothing can listen on".to_owned());
    }
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_http() {
        for text in ["0-9", "10-", "-10", "5-5"] {
            assert_eq!(read_range(text).as_deref(), Ok(text));
        }
        for text in ["", "-", "9-0", "a-b", "0-9,20-29", "+1-2", "0", "1-99999999999999999999"] {
            assert!(read_range(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_can_be_written_behind_a_base() {
        assert_eq!(read_base("http://h/files/v1").unwrap().as_str(), "http://h/files/v1/");
        assert_eq!(read_base("HTTPS://h").unwrap().as_str(), "https://h/");
        for text in
            ["", "h/files", "ftp://h/", "http:///x", "http://u:p@h/", "http://h/?a", "http://h/#a", "http://h:0/"]
        {
            assert!(read_base(text).is_err(), "{text}");
        }
    }
}
