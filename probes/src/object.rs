//! Object storage: the files/v1 JSON interface of COS, and its download host; book `cos`.
//!
//! The order of looking. The first part that is not in order decides:
//!
//! | part | what | where |
//! |---|---|---|
//! | 1 | the parameters of the task | `rules` |
//! | 2 | the local file | `source` |
//! | 3 | the size of slices that the task wants; that which the service grants when it does | `rules`, `upload` |
//! | 4 | the way to the service: policy, name, connection, TLS, the exchange | `client` |
//! | 5 | the answer: a JSON code, whatever the status; else a status that the service has; else it is none | `answer` |
//! | 6 | the data that the operation needs | where it is asked for |
//!
//! A slice is tried three times, nothing else is asked twice, and no redirect is followed. What the service says of itself
//! is recognised by its layer and number and handed on.

mod answer;
mod client;
mod download;
mod fault;
mod form;
mod operate;
mod path;
mod round;
mod rules;
mod sign;
mod source;
mod table;
mod upload;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use crate::address::Endpoint;
use crate::check::Check;
use crate::codes::{Code, Protocol};
use crate::fault::Failure;
use crate::net::{Attempt, tls};
use crate::secret::Secret;
use client::Client;
pub use fault::{Answer, Fault, Mismatch, SliceSize, Source, Task};

/// What to do with an object.
#[derive(Clone, Debug)]
pub struct Object {
    /// Where the interface is: an http or https URL whose path ends in a slash, without credentials and query.
    pub endpoint: Url,
    /// Whose bucket, and how to prove it.
    pub account: Account,
    /// The object: a path from the root of the bucket; that of a folder ends in a slash.
    pub path: String,
    /// What to do.
    pub operation: Operation,
    /// Where objects are downloaded; what the service says if absent. Its path ends in a slash.
    pub download_host: Option<Url>,
    /// For https.
    pub tls: Arc<tls::Client>,
}

/// Whose bucket, and how to prove it. What is missing is empty.
#[derive(Clone, Debug)]
pub struct Account {
    /// The number of the account.
    pub appid: String,
    /// The name of the bucket.
    pub bucket: String,
    /// The name of the key.
    pub secret_id: String,
    /// The key.
    pub secret_key: Secret,
}

impl Default for Account {
    fn default() -> Self {
        let nothing = String::new;
        Self { appid: nothing(), bucket: nothing(), secret_id: nothing(), secret_key: Secret::new("") }
    }
}

/// An operation.
#[derive(Clone, Debug)]
pub enum Operation {
    /// Makes a folder.
    CreateFolder {
        /// What the folder is to be marked with.
        biz_attr: Option<String>,
    },
    /// Uploads a file in one request.
    Upload(Upload),
    /// Uploads a file slice by slice.
    UploadSlice {
        /// What to upload.
        upload: Upload,
        /// How large the slices are to be, in bytes.
        slice_size: i64,
        /// An upload that was begun and is to be gone on with.
        session: Option<String>,
    },
    /// Asks about a file or folder.
    Stat,
    /// Lists a folder, or what begins with a prefix.
    List(List),
    /// Downloads a file.
    Download {
        /// The first and the last byte, as in `0-9`; all of it if absent.
        range: Option<String>,
    },
    /// Changes what a file or folder is marked with.
    Update(Update),
    /// Gives a file another path.
    Move {
        /// The new path; without a slash at its beginning it begins at the folder of the old one.
        dest: String,
        /// Whether a file that is there is replaced.
        overwrite: bool,
    },
    /// Deletes a file or an empty folder.
    Delete,
    /// Uploads, asks, downloads, compares and deletes; nothing is left behind.
    Round(Upload),
}

/// What to upload.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The local file.
    pub source: PathBuf,
    /// Whether a file that is there is replaced.
    pub overwrite: bool,
    /// What the file is to be marked with.
    pub biz_attr: Option<String>,
    /// Who may read and write it.
    pub authority: Option<String>,
}

/// What to list.
#[derive(Clone, Debug)]
pub struct List {
    /// How many entries a page has.
    pub num: i64,
    /// Files, folders or both.
    pub pattern: String,
    /// In which order.
    pub order: i64,
    /// Where an earlier listing ended.
    pub context: Option<String>,
    /// How many pages are asked for, as long as there are more.
    pub pages: u64,
}

/// What to change; what is absent stays.
#[derive(Clone, Debug)]
pub struct Update {
    /// What the object is marked with.
    pub biz_attr: Option<String>,
    /// Who may read and write it.
    pub authority: Option<String>,
    /// The header fields of its downloads.
    pub custom_headers: BTreeMap<String, String>,
}

impl Check for Object {
    type Fault = Fault;

    const PROTOCOL: Protocol = Protocol::Object;

    async fn run(&self, attempt: &mut Attempt<'_>) -> Result<Code, Failure<Fault>> {
        let result = self.operate(attempt).await;
        note_verdict(attempt, &result);
        result
    }

    fn classify(fault: Fault) -> Option<Code> {
        Some(table::classify(fault))
    }

    fn faults() -> Vec<Fault> {
        Fault::all()
    }
}

impl Object {
    async fn operate(&self, attempt: &mut Attempt<'_>) -> Result<Code, Failure<Fault>> {
        let url = rules::check(self)?;
        let content = match self.upload() {
            Some(upload) => Some(source::open(attempt, &upload.source, self.largest_upload()).await?),
            None => None,
        };
        rules::check_slice_size(self)?;
        attempt.permit_literal(Endpoint::of_url(&self.endpoint).as_ref()).map_err(|failure| failure.map(Fault::Net))?;
        let mut client = Client::new(attempt, self, url);
        let result = self.ask(attempt, &mut client, content.as_ref()).await;
        client.settle(attempt);
        result
    }

    /// Everything that is sent.
    async fn ask(
        &self,
        attempt: &mut Attempt<'_>,
        client: &mut Client<'_>,
        content: Option<&source::Content>,
    ) -> Result<Code, Failure<Fault>> {
        match (&self.operation, content) {
            (Operation::Upload(upload), Some(content)) => client.upload(attempt, upload, content).await?,
            (Operation::UploadSlice { upload, slice_size, session }, Some(content)) => {
                let wanted = upload::Slices { size: *slice_size, session: session.as_deref() };
                client.upload_slices(attempt, upload, content, &wanted).await?;
            }
            (Operation::Round(upload), Some(content)) => client.round(attempt, upload, content).await?,
            (Operation::Download { range }, _) => return client.download(attempt, range.as_deref()).await,
            (operation, _) => client.operate(attempt, operation).await?,
        }
        Ok(Code::of_json(Code::success().number(), ""))
    }

    /// What is uploaded, if anything is.
    const fn upload(&self) -> Option<&Upload> {
        match &self.operation {
            Operation::Upload(upload) | Operation::UploadSlice { upload, .. } | Operation::Round(upload) => {
                Some(upload)
            }
            _ => None,
        }
    }

    /// How many bytes the source may have.
    const fn largest_upload(&self) -> u64 {
        match self.operation {
            Operation::UploadSlice { .. } => u64::MAX,
            _ => upload::LARGEST_SIMPLE,
        }
    }

    /// The file as signatures name it.
    fn file_id(&self) -> String {
        let Account { appid, bucket, .. } = &self.account;
        format!("/{appid}/{bucket}{}", path::encoded(&self.path))
    }
}

/// Says in the evidence who made the code, and what its table calls it.
fn note_verdict(attempt: &mut Attempt<'_>, result: &Result<Code, Failure<Fault>>) {
    let code = match result {
        Ok(code) => *code,
        Err(failure) => table::classify(failure.fault),
    };
    let noted = attempt.evidence.object.get_or_insert_default();
    noted.symbol = code.entry().and_then(|entry| entry.symbol);
    noted.layer = match result {
        Err(Failure { fault: Fault::Said(layer, _), .. }) => Some(layer.name()),
        _ => code.entry().and_then(|entry| entry.layer),
    };
}
