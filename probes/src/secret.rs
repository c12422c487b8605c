//! Values that no output may show: passwords, tokens, keys, and whatever they look like in what peers send back.
//!
//! Two rules keep them in: a text is searched before it is cut or escaped, and it is searched in the forms that
//! servers echo things in (percent-encoded, escaped as in JSON or HTML, Base64).

use std::fmt;
use std::ops::Range;

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// A secret is searched for in what peers send back only from this length on: shorter ones would erase half of
/// every text. The agent's own texts never hold one, whatever its length.
const SHORTEST_SEARCHED: usize = 4;

/// The beginning of a secret at the very end of a text is struck out from this length on: the text may have been cut.
const SHORTEST_BEGINNING: usize = 3;

/// The same of what encodings make of it, which is like any other number or word.
const SHORTEST_ENCODED: usize = 8;

/// A value that was marked as secret; it prints as `***`.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Marks a value as secret.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one who sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

/// Whether the name of a header field, key or variable says that its value is a secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "bear", "cookie", "cred", "key", "pas", "secret", "session", "tok", "word"]
        .iter()
        .any(|word| name.contains(word))
}

/// The text with the passwords of all URLs in it masked, broken URLs included: in a word with an `@`, what stands
/// between the first colon (after `://`, if there is one) and the last `@`.
#[must_use]
pub fn mask_urls(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let end = |letter: char| letter.is_whitespace() || matches!(letter, '"' | '\'' | '`');
    for word in text.split_inclusive(end) {
        let password = word.rfind('@').and_then(|at| {
            let begin = word[..at].find("://").map_or(0, |begin| begin + 3);
            let colon = begin + word[begin..at].find(':')?;
            Some((colon + 1, at))
        });
        match password {
            Some((begin, at)) => masked.extend([&word[..begin], MASK, &word[at..]]),
            None => masked.push_str(word),
        }
    }
    masked
}

/// One form of a secret.
#[derive(Clone)]
struct Needle {
    text: String,
    /// How much of its beginning at the end of a text is taken for it.
    shortest: usize,
}

impl fmt::Debug for Needle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(MASK)
    }
}

/// The secrets of one task, to be struck out of everything that a peer sends back.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    needles: Vec<Needle>,
}

impl Secrets {
    /// Adds a secret, its Base64 of either alphabet, and its hex form. Servers change the case of what they echo (header
    /// and host names are in lower case), so that case does not count.
    pub fn add(&mut self, secret: &str) {
        if secret.len() < SHORTEST_SEARCHED {
            return;
        }
        let hex = secret.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        let mut forms = vec![secret.to_ascii_lowercase(), hex];
        for base64 in
            [BASE64_STANDARD_NO_PAD.encode(secret)].into_iter().chain((0..3).filter_map(|at| base64(secret, at)))
        {
            forms.push(base64.replace('+', "-").replace('/', "_").to_ascii_lowercase());
            forms.push(base64.to_ascii_lowercase());
        }
        for form in forms {
            if !self.needles.iter().any(|known| known.text == form) {
                let shortest = if form.eq_ignore_ascii_case(secret) { SHORTEST_BEGINNING } else { SHORTEST_ENCODED };
                self.needles.push(Needle { text: form, shortest });
            }
        }
        // The longest first, so that no secret is left in part because another one is its beginning.
        self.needles.sort_by_key(|needle| std::cmp::Reverse(needle.text.len()));
    }

    /// Adds a text from elsewhere; of a URL also the parts that are sent and shown alone.
    pub fn add_text(&mut self, text: &str) {
        const SHORTEST_SEGMENT: usize = 8;
        self.add(text);
        let Some(url) = url::Url::parse(text).ok().filter(url::Url::has_host) else { return };
        let sent = &url[url::Position::BeforePath..url::Position::AfterQuery];
        if sent.len() >= SHORTEST_SEGMENT {
            self.add(sent);
        }
        let segments = url.path_segments().into_iter().flatten().filter(|segment| segment.len() >= SHORTEST_SEGMENT);
        segments.for_each(|segment| self.add(segment));
        url.query_pairs().for_each(|(_, value)| self.add(&value));
    }

    /// Adds a user name and password as they stand in a Basic authorization (RFC 7617).
    pub fn add_basic(&mut self, username: &str, password: &str) {
        self.add(password);
        self.add(&BASE64_STANDARD_NO_PAD.encode(format!("{username}:{password}")));
    }

    /// Adds the value of a header field: the whole of it, and each part that could be shown alone, such as the token
    /// after `Bearer` or the value of a cookie.
    pub fn add_header(&mut self, value: &str) {
        self.add(value);
        for part in value.split([' ', ';', ',']) {
            self.add(part);
            if let Some((_, value)) = part.split_once('=') {
                self.add(value);
            }
        }
    }

    /// Whether nothing was marked as secret.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.needles.is_empty()
    }

    /// The text with every secret struck out.
    #[must_use]
    pub fn strike(&self, text: &str) -> String {
        let mut text = text.to_owned();
        self.strike_in(&mut text);
        text
    }

    /// Strikes every secret out of the text.
    pub fn strike_in(&self, text: &mut String) {
        if self.is_empty() {
            return;
        }
        if let Some(struck) = self.struck(text.as_bytes()) {
            *text = String::from_utf8_lossy(&struck).into_owned();
        }
    }

    /// The bytes with every secret struck out; to be called before they are cut or escaped.
    #[must_use]
    pub fn strike_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        if self.is_empty() { bytes.to_vec() } else { self.struck(bytes).unwrap_or_else(|| bytes.to_vec()) }
    }

    /// The bytes without their secrets; `None` if they hold none.
    fn struck(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for decode in Decoding::ALL {
            if let Some(view) = View::of(bytes, decode) {
                self.needles.iter().for_each(|needle| view.find(needle, &mut ranges));
            }
        }
        if ranges.is_empty() {
            return None;
        }
        ranges.sort_by_key(|range| range.start);
        let mut struck = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for range in ranges {
            if range.start >= from {
                struck.extend_from_slice(&bytes[from..range.start]);
                struck.extend_from_slice(MASK.as_bytes());
            }
            from = from.max(range.end);
        }
        struck.extend_from_slice(&bytes[from..]);
        Some(struck)
    }
}

/// What stands in the Base64 of a text for a secret that begins `at` octets behind a group of three, whatever stands
/// around it; nothing where that is too little to be told from other text.
fn base64(secret: &str, at: usize) -> Option<String> {
    const SHORTEST: usize = 6;
    let encoded = BASE64_STANDARD_NO_PAD.encode([&[0; 2][..at.min(2)], secret.as_bytes()].concat());
    let (first, end) = ((at * 8).div_ceil(6), (at + secret.len()) * 8 / 6);
    encoded.get(first..end).filter(|own| own.len() >= SHORTEST).map(str::to_owned)
}

/// How an echo may have been encoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Decoding {
    None,
    /// `%2F`, as in URLs.
    Percent,
    /// `%252F`, as in URLs within URLs.
    PercentTwice,
    /// The same with `+` for a space, as in forms.
    Form,
    /// `\"`, `\u0041`, as in JSON.
    Backslash,
    /// `&amp;`, `&#39;`, as in HTML.
    Entity,
    /// `" "` between two pieces, as in TXT records.
    Pieces,
}

impl Decoding {
    const ALL: [Self; 7] =
        [Self::None, Self::Percent, Self::PercentTwice, Self::Form, Self::Backslash, Self::Entity, Self::Pieces];
}

/// Bytes decoded, and where each of them came from.
struct View {
    decoded: Vec<u8>,
    origins: Vec<usize>,
    end: usize,
}

impl View {
    /// The view of an encoding; `None` if the bytes have none of it.
    fn of(bytes: &[u8], decoding: Decoding) -> Option<Self> {
        let mark = match decoding {
            Decoding::None => {
                return Some(Self {
                    decoded: bytes.to_ascii_lowercase(),
                    origins: (0..bytes.len()).collect(),
                    end: bytes.len(),
                });
            }
            Decoding::Percent | Decoding::PercentTwice => b'%',
            Decoding::Form => b'+',
            Decoding::Backslash => b'\\',
            Decoding::Entity => b'&',
            Decoding::Pieces => b'"',
        };
        if !bytes.contains(&mark) {
            return None;
        }
        let mut view = Self { decoded: Vec::new(), origins: Vec::new(), end: bytes.len() };
        let mut at = 0;
        while at < bytes.len() {
            if decoding == Decoding::Pieces && bytes[at..].starts_with(b"\" \"") {
                at += 3;
                continue;
            }
            let (value, length) = decode(&bytes[at..], decoding);
            match value {
                Ok(byte) => view.decoded.push(byte),
                Err(letter) => view.decoded.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
            view.origins.resize(view.decoded.len(), at);
            at += length;
        }
        view.decoded.make_ascii_lowercase();
        // An escape that the end has cut off goes with the rest of what was cut.
        let cut = half_escape(&view.decoded, mark);
        view.decoded.truncate(view.decoded.len() - cut);
        view.origins.truncate(view.decoded.len());
        Some(view)
    }

    /// Where a needle stands in the original, whole or cut off by the end.
    fn find(&self, needle: &Needle, ranges: &mut Vec<Range<usize>>) {
        let Needle { shortest, .. } = *needle;
        let needle = needle.text.as_bytes();
        let origin = |at: usize| self.origins.get(at).copied().unwrap_or(self.end);
        for at in memchr::memmem::find_iter(&self.decoded, needle) {
            ranges.push(origin(at)..origin(at + needle.len()));
        }
        let longest = needle.len().min(self.decoded.len() + 1).saturating_sub(1);
        let cut = (shortest..=longest).rev().find(|length| self.decoded.ends_with(&needle[..*length]));
        if let Some(length) = cut {
            ranges.push(origin(self.decoded.len() - length)..self.end);
        }
    }
}

/// How much of the end is the beginning of an escape.
fn half_escape(decoded: &[u8], mark: u8) -> usize {
    const LONGEST: usize = 5;
    let tail = &decoded[decoded.len().saturating_sub(LONGEST)..];
    let Some(at) = tail.iter().rposition(|byte| *byte == mark) else { return 0 };
    let (length, rest) = (tail.len() - at, &tail[at + 1..]);
    let half = match mark {
        b'%' => length <= 2 && rest.iter().all(u8::is_ascii_hexdigit),
        b'\\' => rest.is_empty() || (rest[0] == b'u' && rest[1..].iter().all(u8::is_ascii_hexdigit)),
        b'&' => rest.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'#'),
        _ => false,
    };
    if half { length } else { 0 }
}

/// One decoded byte or character, and how long its encoded form is.
fn decode(bytes: &[u8], decoding: Decoding) -> (Result<u8, char>, usize) {
    let hex = |digits: &[u8]| std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match (decoding, bytes) {
        (Decoding::Percent | Decoding::Form, [b'%', high, low, ..]) => {
            match hex(&[*high, *low]).and_then(|byte| u8::try_from(byte).ok()) {
                Some(byte) => (Ok(byte), 3),
                None => (Ok(b'%'), 1),
            }
        }
        (Decoding::PercentTwice, [b'%', b'2', b'5', high, low, ..]) => {
            match hex(&[*high, *low]).and_then(|byte| u8::try_from(byte).ok()) {
                Some(byte) => (Ok(byte), 5),
                None => (Ok(b'%'), 3),
            }
        }
        (Decoding::Form, [b'+', ..]) => (Ok(b' '), 1),
        (Decoding::Backslash, [b'\\', b'u', a, b, c, d, ..]) => match hex(&[*a, *b, *c, *d]).and_then(char::from_u32) {
            Some(letter) => (Err(letter), 6),
            None => (Ok(b'\\'), 1),
        },
        // As zone files have them (RFC 1035 section 5.1).
        (Decoding::Backslash, [b'\\', digits @ ..]) if decimal(digits).is_some() => {
            (Ok(decimal(digits).unwrap_or(0)), 4)
        }
        (Decoding::Backslash, [b'\\', b'x', high, low, ..]) if hex(&[*high, *low]).is_some() => {
            (Ok(hex(&[*high, *low]).and_then(|byte| u8::try_from(byte).ok()).unwrap_or(b'x')), 4)
        }
        (Decoding::Backslash, [b'\\', escaped, ..]) => match escaped {
            b'n' => (Ok(b'\n'), 2),
            b'r' => (Ok(b'\r'), 2),
            b't' => (Ok(b'\t'), 2),
            other => (Ok(*other), 2),
        },
        (Decoding::Entity, [b'&', rest @ ..]) => entity(rest),
        (_, [byte, ..]) => (Ok(*byte), 1),
        (_, []) => (Ok(0), 1),
    }
}

/// Three decimal digits at the beginning that are an octet.
fn decimal(digits: &[u8]) -> Option<u8> {
    let digits = digits.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A character reference of HTML, of those that pages are escaped with, from behind its `&`.
fn entity(rest: &[u8]) -> (Result<u8, char>, usize) {
    const LONGEST: usize = 8;
    let end = rest.iter().take(LONGEST).position(|byte| *byte == b';');
    let name = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok()).unwrap_or_default();
    let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => digits.parse().ok(),
    });
    let letter = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => number.and_then(char::from_u32),
    };
    letter.map_or((Ok(b'&'), 1), |letter| (Err(letter), name.len() + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(secret: &str) -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add_basic("probe", secret);
        secrets
    }

    #[test]
    fn strikes_every_form_of_a_secret() {
        let secrets = secrets("s3\"cret w/rd");
        let rows = [
            ("a s3\"cret w/rd b".to_owned(), "a *** b"),
            ("?p=s3%22cret%20w%2Frd&q".to_owned(), "?p=***&q"),
            ("?p=s3%22cret%20w%2frd".to_owned(), "?p=***"),
            ("p=s3%22cret+w/rd&q".to_owned(), "p=***&q"),
            ("{\"p\":\"s3\\\"cret w\\/rd\"}".to_owned(), "{\"p\":\"***\"}"),
            ("{\"p\":\"s3\\u0022cret w/rd\"}".to_owned(), "{\"p\":\"***\"}"),
            (BASE64_STANDARD_NO_PAD.encode("probe:s3\"cret w/rd"), "***"),
            ("S3\"CRET W/RD".to_owned(), "***"),
            ("p=s3%2522cret%2520w%252Frd&q".to_owned(), "p=***&q"),
            ("s3\\x22cret w/rd".to_owned(), "***"),
            (format!("a {} b", BASE64_STANDARD_NO_PAD.encode("zs3\"cret w/rdzz")), "a en***Hp6 b"),
            ("\"s3\\034cret\\032w/rd\"".to_owned(), "\"***\""),
            ("a s3\"cret\" \" w/rd b".to_owned(), "a *** b"),
            ("<p>s3&quot;cret w/rd</p>".to_owned(), "<p>***</p>"),
            ("<p>s3&#34;cret w&#x2F;rd & more".to_owned(), "<p>*** & more"),
            ("cut off: s3%22cret%20w%2".to_owned(), "cut off: ***"),
            ("cut off: s3\"cret w/r".to_owned(), "cut off: ***"),
            ("nothing to hide 100% \\ + é".to_owned(), "nothing to hide 100% \\ + é"),
        ];
        for (heard, shown) in rows {
            assert_eq!(secrets.strike(&heard), shown);
        }
    }

    #[test]
    fn parts_of_a_header_are_secret_too() {
        let mut secrets = Secrets::default();
        secrets.add_header("Bearer tok-98765");
        secrets.add_header("sid=abcdef; theme=dark");
        assert_eq!(secrets.strike("token tok-98765 for abcdef"), "token *** for ***");
    }

    #[test]
    fn passwords_in_urls_are_masked_even_in_broken_ones() {
        let rows = [
            ("see http://bob:pw@host/x", "see http://bob:***@host/x"),
            ("`http://bob:p/w@[::1/`", "`http://bob:***@[::1/`"),
            ("tcp://u:pw@h:1 and ftp://a:b@c", "tcp://u:***@h:1 and ftp://a:***@c"),
            ("u:pw@h and //u:pw@h/", "u:***@h and //u:***@h/"),
            ("http://host:80/path", "http://host:80/path"),
        ];
        for (text, masked) in rows {
            assert_eq!(mask_urls(text), masked);
        }
    }

    #[test]
    fn a_secret_prints_as_a_mask() {
        assert_eq!(format!("{:?}", Secret::new("hidden")), "***");
    }
}
