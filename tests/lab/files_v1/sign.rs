//! Signatures: `base64(HMAC-SHA1(key, plain) || plain)`, with `plain` = `a={appid}&k={id}&e={expire}&t={now}&r={random}&f={file}&b={bucket}`.

use std::collections::BTreeMap;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::percent_decode_str;
use sha1::Sha1;

use super::answer::Refusal;

/// The length of the code before the plain text.
const CODE: usize = 20;
const FIELDS: [&str; 7] = ["a", "k", "e", "t", "r", "f", "b"];

/// A signature that was read; nothing in it is proven yet.
#[derive(Clone, Debug)]
pub struct Sign {
    code: Vec<u8>,
    plain: String,
    fields: BTreeMap<String, String>,
    /// Until when it is good, in Unix seconds; 0 for one that is good once.
    pub expires: u64,
}

impl Sign {
    /// Reads a signature.
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let garbled = Refusal("ERROR_CGI_AUTHORIZATION");
        let bytes = BASE64_STANDARD.decode(text).ok().filter(|bytes| bytes.len() > CODE).ok_or(garbled)?;
        let (code, plain) = bytes.split_at(CODE);
        let plain = String::from_utf8(plain.to_vec()).map_err(|_| garbled)?;
        let mut fields = BTreeMap::new();
        for field in plain.split('&') {
            let (name, value) = field.split_once('=').ok_or(garbled)?;
            if !FIELDS.contains(&name) || fields.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(garbled);
            }
        }
        let number = |name| fields.get(name).filter(|text| is_number(text)).and_then(|text| text.parse().ok());
        let (Some(_), Some(expires), Some(_)) = (number("a"), number("e"), number("t")) else { return Err(garbled) };
        let random = fields.get("r").is_some_and(|text| is_number(text) && text.len() <= 10);
        if fields.len() != FIELDS.len() || !random {
            return Err(garbled);
        }
        Ok(Self { code: code.to_vec(), plain, expires, fields })
    }

    /// The account.
    pub fn appid(&self) -> &str {
        self.field("a")
    }

    /// The name of the key.
    pub fn secret_id(&self) -> &str {
        self.field("k")
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        self.field("b")
    }

    /// What it is bound to, decoded and with single slashes; empty for nothing.
    pub fn file(&self) -> String {
        let mut file = percent_decode_str(self.field("f")).decode_utf8_lossy().into_owned();
        while file.contains("//") {
            file = file.replace("//", "/");
        }
        file
    }

    /// Whether it was made with a key.
    pub fn is_made_with(&self, key: &str) -> bool {
        code(key, &self.plain) == self.code
    }

    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// The same signature with other fields, made with a key.
    pub fn remade(&self, changes: &BTreeMap<String, String>, key: &str) -> String {
        let value = |name| changes.get(name).map_or_else(|| self.field(name), String::as_str);
        let plain = FIELDS.map(|name| format!("{name}={}", value(name))).join("&");
        sign(key, &plain)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn code(key: &str, plain: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(plain.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Signs a plain text.
pub fn sign(key: &str, plain: &str) -> String {
    let mut signed = code(key, plain);
    signed.extend_from_slice(plain.as_bytes());
    BASE64_STANDARD.encode(signed)
}

/// What the lab checks of this file by itself.
pub fn check() -> Result<(), String> {
    const PLAINS: [(&str, &str); 2] = [
        (
            "a=10001&k=AKIDexample&e=1700003600&t=1700000000&r=1234567890&f=&b=probe",
            "bc7+ZVVhzzZiRlOQygi/MucvzwFhPTEwMDAxJms9QUtJRGV4YW1wbGUmZT0xNzAwMDAzNjAwJnQ9MTcwMDAwMDAwMCZyPTEyMzQ1Njc4OTAmZj0mYj1wcm9iZQ==",
        ),
        (
            "a=10001&k=AKIDexample&e=0&t=1700000000&r=1234567890&f=/10001/probe/dir/%E4%BD%A0.txt&b=probe",
            "/nsVkNSrQPadYXZYS5i1CDNIANVhPTEwMDAxJms9QUtJRGV4YW1wbGUmZT0wJnQ9MTcwMDAwMDAwMCZyPTEyMzQ1Njc4OTAmZj0vMTAwMDEvcHJvYmUvZGlyLyVFNCVCRCVBMC50eHQmYj1wcm9iZQ==",
        ),
    ];
    for (plain, expected) in PLAINS {
        if sign("secretexample", plain) != expected {
            return Err(format!("{plain} is signed {}", sign("secretexample", plain)));
        }
        let read = Sign::read(expected).map_err(|refusal| refusal.0)?;
        if !read.is_made_with("secretexample") || read.is_made_with("other") || read.appid() != "10001" {
            return Err(format!("{plain} is read as {read:?}"));
        }
    }
    let file = Sign::read(PLAINS[1].1).map_err(|refusal| refusal.0)?.file();
    if file != "/10001/probe/dir/你.txt" {
        return Err(format!("it is bound to {file}"));
    }
    let short = sign("k", "a=1&k=x&e=0&t=1&r=1&f=");
    let worded = sign("k", "a=1&k=x&e=never&t=1&r=1&f=&b=b");
    for garbled in ["abc", "YWJj", "====", short.as_str(), worded.as_str()] {
        if Sign::read(garbled).is_ok() {
            return Err(format!("{garbled} passes for a signature"));
        }
    }
    Ok(())
}
