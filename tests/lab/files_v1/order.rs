//! The order of the checks: a request with two defects is refused for the one that is looked at first.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::Value;

use super::answer::Answer;
use super::defects::{
    CREATE, DELETE, Defect, FRONT, INIT, LIST, MANY, MOVE, ONCE, OTHER, RATE, SESSION, SLICE, UPDATE, UPLOAD,
};
use super::describe::{Account, Begun, Bucket, Description, Object};
use super::form::{self, Part};
use super::request::Request;
use super::service::Service;
use super::sign;
use super::state::sha1_hex;

/// A request in pieces, and the service that it goes to.
#[derive(Clone)]
pub struct Draft {
    /// What the service is like.
    pub description: Description,
    /// The method.
    pub method: &'static str,
    /// The version in the URL.
    pub version: &'static str,
    /// The account in the URL.
    pub appid: &'static str,
    /// The bucket in the URL.
    pub bucket: &'static str,
    /// The path of the object.
    pub path: &'static str,
    /// What stands behind it.
    pub behind: &'static str,
    /// The body is a form.
    pub form: bool,
    /// The body is none.
    pub broken: bool,
    /// The fields.
    pub fields: BTreeMap<&'static str, String>,
    /// The file.
    pub content: Option<Bytes>,
    /// What the signature has in the place of what is right.
    pub sign: BTreeMap<&'static str, String>,
    /// The key it is made with.
    pub key: &'static str,
    /// What stands in its place.
    pub authorization: Option<&'static str>,
    /// The request is sent twice.
    pub twice: bool,
}

/// Every operation with the defects that it may have, in order.
fn operations() -> [(Draft, Vec<Defect>); 8] {
    let of = |kind: &[Defect], own: &[Defect]| [&FRONT, kind, &RATE, own].concat();
    let sha = sha1_hex(b"0123456789");
    let draft = |path, fields: &[(&'static str, &str)]| Draft::new(path, fields);
    let file = |path, fields: &[(&'static str, &str)]| Draft { form: true, ..draft(path, fields) };
    let slice = Draft {
        content: Some(Bytes::from_static(b"4567")),
        ..file("/f.bin", &[("op", "upload_slice"), ("session", SESSION), ("offset", "4")])
    };
    let upload = Draft {
        content: Some(Bytes::from_static(b"0123456789")),
        ..file("/f.bin", &[("op", "upload"), ("sha", &sha)])
    };
    let init = file("/f.bin", &[("op", "upload_slice"), ("filesize", "10"), ("sha", &sha)]);
    let list = Draft { method: "GET", ..draft("/dir/", &[("op", "list")]) };
    let update = draft("/a.txt", &[("op", "update"), ("biz_attr", "x")]).once();
    let renaming = draft("/a.txt", &[("op", "move"), ("dest_fileid", "/b.txt")]).once();
    [
        (upload, of(&MANY, &UPLOAD)),
        (init, of(&MANY, &INIT)),
        (slice, of(&MANY, &SLICE)),
        (list, of(&MANY, &LIST)),
        (update, of(&ONCE, &UPDATE)),
        (draft("/a.txt", &[("op", "delete")]).once(), of(&ONCE, &DELETE)),
        (renaming, of(&ONCE[1..], &MOVE)),
        (draft("/new/", &[("op", "create")]), of(&MANY, &CREATE)),
    ]
}

impl Draft {
    fn new(path: &'static str, fields: &[(&'static str, &str)]) -> Self {
        let mut draft = Self {
            description: description(),
            method: "POST",
            version: "v1",
            appid: "10001",
            bucket: "probe",
            path,
            behind: "",
            form: false,
            broken: false,
            fields: BTreeMap::new(),
            content: None,
            sign: BTreeMap::from([("e", soon())]),
            key: "secretexample",
            authorization: None,
            twice: false,
        };
        for (name, value) in fields {
            draft.set(name, value);
        }
        draft
    }

    fn once(mut self) -> Self {
        self.sign("e", "0");
        self
    }

    /// Sets a field.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.fields.insert(name, value.to_owned());
    }

    /// Sets a field of the signature.
    pub fn sign(&mut self, name: &'static str, value: &str) {
        self.sign.insert(name, value.to_owned());
    }

    /// Adds an object to the bucket.
    pub fn add(&mut self, path: &str) {
        self.description.objects.insert(path.to_owned(), Object::default());
    }

    fn request(&self) -> Request {
        let Self { version, appid, bucket, path, behind, .. } = self;
        let mut request = Request {
            method: self.method.to_owned(),
            path: format!("/files/{version}/{appid}/{bucket}{path}{behind}"),
            query: String::new(),
            headers: vec![("Authorization".to_owned(), self.authorization())],
            body: Bytes::new(),
        };
        if self.form {
            let text = |(name, value): (&&str, &String)| part(name, Bytes::from(value.clone()));
            let mut parts: Vec<Part> = self.fields.iter().map(text).collect();
            parts.extend(self.content.clone().map(|content| part("filecontent", content)));
            request.body = form::write(if self.broken { "other" } else { "b" }, &parts);
            request.set_header("Content-Type", "multipart/form-data; boundary=b".to_owned());
        } else if self.method == "GET" {
            let pairs = self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            request.set_query(&pairs.collect::<Vec<_>>());
        } else {
            let json = serde_json::to_string(&self.fields).expect("texts are JSON");
            request.body = if self.broken { Bytes::from_static(b"{") } else { Bytes::from(json) };
        }
        request
    }

    fn authorization(&self) -> String {
        if let Some(text) = self.authorization {
            return text.to_owned();
        }
        let own =
            if self.sign["e"] == "0" { format!("/{}/{}{}", self.appid, self.bucket, self.path) } else { String::new() };
        let given =
            [("a", self.appid), ("k", "AKIDexample"), ("t", "1700000000"), ("r", "1"), ("f", &own), ("b", self.bucket)];
        let mut fields: BTreeMap<&str, &str> = given.into();
        fields.extend(self.sign.iter().map(|(name, value)| (*name, value.as_str())));
        let plain = ["a", "k", "e", "t", "r", "f", "b"].map(|name| format!("{name}={}", fields[name])).join("&");
        sign::sign(self.key, &plain)
    }

    /// The symbol that the service answers.
    fn answer(&self) -> Result<String, String> {
        let address = ([127, 0, 0, 1], 80).into();
        let service = Service::new(&self.description, address, false)?;
        let request = self.request();
        if self.twice {
            service.carry_out(&request);
        }
        symbol(&service.carry_out(&request))
    }
}

fn symbol(answer: &Answer) -> Result<String, String> {
    let body: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    Ok(body["message"].as_str().unwrap_or_default().to_owned())
}

fn part(name: &str, content: Bytes) -> Part {
    Part { name: name.to_owned(), content }
}

/// A minute from now, in Unix seconds.
pub fn soon() -> String {
    (Description::default().clock.now() + 60).to_string()
}

fn description() -> Description {
    let account = |id: &str, key: &str, buckets: &[&str]| Account {
        keys: BTreeMap::from([(id.to_owned(), key.to_owned())]),
        buckets: buckets.iter().map(|name| ((*name).to_owned(), Bucket::default())).collect(),
        blocked: false,
    };
    let begun = |id: &str, path: &str| Begun {
        id: id.to_owned(),
        path: path.to_owned(),
        text: "0123456789".to_owned(),
        stored: 4,
        slice_size: 4,
    };
    Description {
        accounts: BTreeMap::from([
            ("10001".to_owned(), account("AKIDexample", "secretexample", &["probe", "second"])),
            ("10002".to_owned(), account("AKIDsecond", "secretsecond", &["probe"])),
        ]),
        objects: ["/a.txt", "/dir/in.txt"].map(|path| (path.to_owned(), Object::default())).into(),
        sessions: vec![begun(SESSION, "/f.bin"), begun(OTHER, "/other.bin")],
        ..Description::default()
    }
}

/// What the lab checks of the whole service by itself.
pub fn check() -> Result<(), String> {
    let mut wrong = Vec::new();
    for (draft, defects) in operations() {
        let broken = if draft.form { "ERROR_CGI_FORM_ERR" } else { "ERROR_CGI_JSON_PARSE_ERROR" };
        // A question has no body, and its operation is none of those of a POST.
        let fits = |(name, _): &&Defect| *name != "broken body" || draft.method == "POST";
        let defects: Vec<&Defect> = defects.iter().filter(fits).collect();
        let mut expect = |what: &str, draft: &Draft, expected: &str| match draft.answer() {
            Ok(got) if got == expected => {}
            got => wrong.push(format!("{}, {what}: {got:?}", draft.fields.get("op").map_or("?", String::as_str))),
        };
        expect("nothing wrong", &draft, "SUCCESS");
        for (index, (first, spoil)) in defects.iter().enumerate() {
            for (second, spoil_more) in &defects[index..] {
                let mut draft = draft.clone();
                spoil_more(&mut draft);
                spoil(&mut draft);
                expect(&format!("{first} and {second}"), &draft, if *first == "broken body" { broken } else { first });
            }
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}
