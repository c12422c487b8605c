//! Step 3: who asks, and whether they may.

use super::answer::Refusal;
use super::describe::Description;
use super::fields::Operation;
use super::sign::Sign;
use super::state::State;
use super::url::Place;

/// The longest a signature may be good: three months.
const LONGEST: u64 = 90 * 86_400;

/// A signature of a known account, made with its key and still good.
fn proven(description: &Description, text: &str) -> Result<Sign, Refusal> {
    let sign = Sign::read(text)?;
    if !description.accounts.contains_key(sign.appid()) {
        return Err(Refusal("ERROR_PROXY_AUTH_APPID_NOEXIST"));
    }
    let (owner, key) = description.key(sign.secret_id()).ok_or(Refusal("ERROR_PROXY_AUTH_SECRETID_NOEXIST"))?;
    if owner != sign.appid() {
        return Err(Refusal("ERROR_PROXY_AUTH_APPID"));
    }
    if !sign.is_made_with(key) {
        return Err(Refusal("ERROR_PROXY_AUTH_FAILED"));
    }
    let now = description.clock.now();
    if sign.expires != 0 && (sign.expires < now || sign.expires > now + LONGEST) {
        return Err(Refusal("ERROR_PROXY_AUTH_EXPIRED"));
    }
    Ok(sign)
}

/// Whether a request may do what it asks for.
pub fn authorize(
    description: &Description,
    state: &mut State,
    place: &Place,
    operation: Operation,
    authorization: Option<&str>,
) -> Result<(), Refusal> {
    let text = authorization.filter(|text| !text.is_empty()).ok_or(Refusal("ERROR_PROXY_AUTH_SIGN_EMPTY"))?;
    let sign = proven(description, text)?;
    if sign.appid() != place.appid {
        return Err(Refusal("ERROR_PROXY_APPID_USERID_NOTMATCH"));
    }
    if description.accounts.get(&place.appid).is_some_and(|account| account.blocked) {
        return Err(Refusal("ERROR_PROXY_FORBID_APPID"));
    }
    if sign.bucket() != place.bucket {
        return Err(Refusal("ERROR_PROXY_SIGN_BUCKET_NOTMATCH"));
    }
    check_kind(operation, &sign)?;
    if !is_bound_to(&sign, &place.resource()) {
        return Err(Refusal("ERROR_PROXY_FILEID_NOTMATCH"));
    }
    if sign.expires == 0 && !state.spend(text) {
        return Err(Refusal("ERROR_PROXY_AUTH_REPLAY_ATTACH"));
    }
    match description.rate {
        Some(rate) if !state.count(&place.appid, rate) => Err(Refusal("ERROR_PROXY_FREQ_CONTROL")),
        _ => Ok(()),
    }
}

/// Changes need signatures that are good once; a move takes either, since clients differ.
fn check_kind(operation: Operation, sign: &Sign) -> Result<(), Refusal> {
    let (once, bound) = (sign.expires == 0, !sign.file().is_empty());
    match operation {
        Operation::Delete | Operation::Update if !once => Err(Refusal("ERROR_PROXY_AUTH_ONCESIGN_EXPIREDNOTEMPTY")),
        Operation::Delete | Operation::Update | Operation::Move if once && !bound => {
            Err(Refusal("ERROR_PROXY_AUTH_ONCESIGN_NOFILEID"))
        }
        _ if once && !bound => Err(Refusal("ERROR_PROXY_AUTH_MULTISIGN_EXPIREDEMPTY")),
        _ => Ok(()),
    }
}

/// One that is good once names its file; one that is good for longer may name what its files begin with.
fn is_bound_to(sign: &Sign, file: &str) -> bool {
    let bound = sign.file();
    if sign.expires == 0 { bound == file } else { file.starts_with(&bound) }
}

/// Whether a signature in a URL lets one download a file.
pub fn lets_download(description: &Description, place: &Place, text: &str) -> bool {
    let fits = |sign: &Sign| {
        sign.appid() == place.appid
            && sign.bucket() == place.bucket
            && sign.expires != 0
            && is_bound_to(sign, &place.path)
    };
    let blocked = description.accounts.get(&place.appid).is_some_and(|account| account.blocked);
    !blocked && proven(description, text).is_ok_and(|sign| fits(&sign))
}
