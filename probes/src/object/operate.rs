//! The operations that are one question: folders, facts, listings, changes.

use http::Method;
use serde_json::{Value, json};

use super::answer::Data;
use super::client::{Client, Request, incomplete};
use super::fault::Fault;
use super::form::{self, Body};
use super::path::segment;
use super::{List, Operation, Update};
use crate::fault::Failure;
use crate::net::Attempt;
use crate::secret::Secret;

/// Which fields of an update count.
const FLAG_BIZ_ATTR: u32 = 0x01;
const FLAG_CUSTOM_HEADERS: u32 = 0x40;
const FLAG_AUTHORITY: u32 = 0x80;

impl Client<'_> {
    /// One of the operations that are one question.
    pub(super) async fn operate(
        &mut self,
        attempt: &mut Attempt<'_>,
        operation: &Operation,
    ) -> Result<(), Failure<Fault>> {
        match operation {
            Operation::CreateFolder { biz_attr } => {
                let mut fields = json!({ "op": "create" });
                if let Some(biz_attr) = biz_attr {
                    fields["biz_attr"] = biz_attr.as_str().into();
                }
                let sign = self.reusable();
                self.change(attempt, "create_folder", sign, &fields).await
            }
            Operation::Stat => self.stat(attempt).await,
            Operation::List(list) => self.list(attempt, list).await,
            Operation::Update(update) => {
                let sign = self.once(attempt);
                self.change(attempt, "update", sign, &fields_of(update)).await
            }
            Operation::Move { dest, overwrite } => {
                let sign = self.once(attempt);
                let fields = json!({ "op": "move", "dest_fileid": dest, "to_over_write": i32::from(*overwrite) });
                self.change(attempt, "move", sign, &fields).await
            }
            Operation::Delete => self.delete(attempt).await,
            Operation::Upload(_) | Operation::UploadSlice { .. } | Operation::Download { .. } | Operation::Round(_) => {
                unreachable!("operations with content are not one question")
            }
        }
    }

    /// Asks about the object of the task.
    async fn stat(&mut self, attempt: &mut Attempt<'_>) -> Result<(), Failure<Fault>> {
        match self.facts(attempt).await?.text("name") {
            Some(_) => Ok(()),
            None => Err(incomplete(attempt, "does not say the name of the object")),
        }
    }

    /// What the service knows of the object of the task, for those who need some of it.
    pub(super) async fn facts(&mut self, attempt: &mut Attempt<'_>) -> Result<Data, Failure<Fault>> {
        self.call(attempt, "stat", self.question("op=stat")).await
    }

    /// Deletes the object of the task.
    pub(super) async fn delete(&mut self, attempt: &mut Attempt<'_>) -> Result<(), Failure<Fault>> {
        let sign = self.once(attempt);
        self.change(attempt, "delete", sign, &json!({ "op": "delete" })).await
    }

    /// Page after page, as long as there are more and the task wants them.
    async fn list(&mut self, attempt: &mut Attempt<'_>, list: &List) -> Result<(), Failure<Fault>> {
        let List { num, pattern, order, context, pages } = list;
        let mut context = context.clone().unwrap_or_default();
        let mut entries = 0;
        for page in 1..=*pages {
            let query = format!("op=list&num={num}&pattern={pattern}&order={order}&context={}", segment(&context));
            let step = if page == 1 { "list".to_owned() } else { format!("list, page {page}") };
            let data = self.call(attempt, &step, self.question(&query)).await?;
            let (Some(count), Some(has_more)) = (data.count("infos"), data.boolean("has_more")) else {
                return Err(incomplete(attempt, "lacks the list `infos` or the word `has_more`"));
            };
            entries += count;
            let noted = attempt.evidence.object.get_or_insert_default();
            (noted.entries, noted.has_more) = (Some(entries), Some(has_more));
            if !has_more || page == *pages {
                break;
            }
            let Some(next) = data.text("context") else {
                return Err(incomplete(attempt, "says that there is more, and not where"));
            };
            next.clone_into(&mut context);
        }
        Ok(())
    }

    /// A POST of JSON whose answer needs no data.
    async fn change(
        &mut self,
        attempt: &mut Attempt<'_>,
        step: &str,
        sign: Secret,
        fields: &Value,
    ) -> Result<(), Failure<Fault>> {
        let request = self.posting(sign, form::json(fields));
        self.call(attempt, step, request).await.map(drop)
    }

    /// A GET, whose operation stands in the query.
    fn question(&self, query: &str) -> Request {
        let mut url = self.url.clone();
        url.set_query(Some(query));
        Request {
            method: Method::GET,
            url,
            sign: Some(self.reusable()),
            content_type: None,
            range: None,
            body: bytes::Bytes::new().into(),
            patience: None,
        }
    }

    /// A POST, whose operation stands in the body.
    pub(super) fn posting(&self, sign: Secret, body: Body) -> Request {
        let (content_type, body) = body;
        let (method, url, sign) = (Method::POST, self.url.clone(), Some(sign));
        Request { method, url, sign, content_type: Some(content_type), range: None, body, patience: None }
    }
}

fn fields_of(update: &Update) -> Value {
    let Update { biz_attr, authority, custom_headers } = update;
    let mut fields = json!({ "op": "update" });
    let mut flag = 0;
    if let Some(biz_attr) = biz_attr {
        flag |= FLAG_BIZ_ATTR;
        fields["biz_attr"] = biz_attr.as_str().into();
    }
    if let Some(authority) = authority {
        flag |= FLAG_AUTHORITY;
        fields["authority"] = authority.as_str().into();
    }
    if !custom_headers.is_empty() {
        flag |= FLAG_CUSTOM_HEADERS;
        fields["custom_headers"] = custom_headers.iter().map(|(name, value)| (name.clone(), value.as_str())).collect();
    }
    fields["flag"] = flag.into();
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_of_an_update_says_which_fields_count() {
        let update = |biz_attr: Option<&str>, authority: Option<&str>, header: Option<&str>| {
            fields_of(&Update {
                biz_attr: biz_attr.map(str::to_owned),
                authority: authority.map(str::to_owned),
                custom_headers: header
                    .map(|value| ("Cache-Control".to_owned(), value.to_owned()))
                    .into_iter()
                    .collect(),
            })
        };
        assert_eq!(update(Some("a"), None, None), json!({ "op": "update", "flag": 1, "biz_attr": "a" }));
        assert_eq!(
            update(None, Some("eInvalid"), Some("no-cache")),
            json!({
                "op": "update", "flag": 192, "authority": "eInvalid",
                "custom_headers": { "Cache-Control": "no-cache" }
            })
        );
    }
}
