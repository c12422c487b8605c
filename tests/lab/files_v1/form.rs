//! Forms with files in them (RFC 7578): read strictly, and written anew by the middlebox.

use std::fmt::Write as _;

use bytes::Bytes;
use memchr::memmem;

/// One part of a form.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The name of the field.
    pub name: String,
    /// Its bytes.
    pub content: Bytes,
}

/// The boundary that a Content-Type names.
pub fn boundary(content_type: &str) -> Option<String> {
    let mut pieces = content_type.split(';').skip(1);
    let value = pieces.find_map(|piece| {
        let (name, value) = piece.trim().split_once('=')?;
        name.eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    (1..=70).contains(&value.len()).then(|| value.to_owned())
}

/// The parts of a form; none if it is not well-formed.
pub fn read(boundary: &str, body: &Bytes) -> Option<Vec<Part>> {
    let opening = format!("--{boundary}\r\n");
    let between = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&between);
    let mut at = body.starts_with(opening.as_bytes()).then_some(opening.len())?;
    let mut parts = Vec::new();
    loop {
        let end = at + finder.find(&body[at..])?;
        parts.push(read_part(&body.slice(at..end))?);
        let behind = &body[end + between.len()..];
        if let Some(rest) = behind.strip_prefix(b"--") {
            return (rest.is_empty() || rest == b"\r\n").then_some(parts);
        }
        at = behind.starts_with(b"\r\n").then_some(end + between.len() + 2)?;
    }
}

fn read_part(bytes: &Bytes) -> Option<Part> {
    let end = memmem::find(bytes, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-disposition").then_some(value.trim())
    })?;
    let mut pieces = disposition.split(';').map(str::trim);
    if !pieces.next()?.eq_ignore_ascii_case("form-data") {
        return None;
    }
    let name = pieces.find_map(|piece| piece.strip_prefix("name="))?;
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    Some(Part { name: name.to_owned(), content: bytes.slice(end + 4..) })
}

/// A form of parts.
pub fn write(boundary: &str, parts: &[Part]) -> Bytes {
    let mut body = Vec::new();
    for part in parts {
        let mut head = String::new();
        let _ = write!(head, "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n", part.name);
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&part.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body.into()
}

/// What the lab checks of this file by itself.
pub fn check() -> Result<(), String> {
    let part = |name: &str, content: &'static str| Part { name: name.to_owned(), content: Bytes::from(content) };
    let parts = vec![part("op", "upload"), part("filecontent", "\r\n--almost\r\n\r\n"), part("sha", "")];
    let written = write("most", &parts);
    if read("most", &written).as_ref() != Some(&parts) {
        return Err(format!("{written:?} is read as {:?}", read("most", &written)));
    }
    let named = "--b\r\ncontent-disposition: form-data; name=\"op\"; filename=\"op\"\r\nX: y\r\n\r\nstat\r\n--b--\r\n";
    if read("b", &Bytes::from(named)) != Some(vec![part("op", "stat")]) {
        return Err("a field with a file name is not read".to_owned());
    }
    for broken in ["", "--b\r\n", "--b--\r\n", "--b\r\n\r\nx\r\n--b--", "op=stat", &named[..named.len() - 4]] {
        if read("b", &Bytes::from(broken.to_owned())).is_some() {
            return Err(format!("{broken:?} passes for a form"));
        }
    }
    let types = ["multipart/form-data; boundary=b", "multipart/form-data;Boundary=\"b\"", "multipart/form-data"];
    let found = types.map(|text| boundary(text).as_deref() == Some("b"));
    if found == [true, true, false] { Ok(()) } else { Err(format!("boundaries: {found:?}")) }
}
