//! Values that no output may show: passwords, tokens, keys, and whatever they look like in what peers send back.
//!
//! Two rules keep them in: a text is searched before it is cut or escaped, and it is searched in the forms that
//! servers echo things in (percent-encoded, escaped as in JSON or HTML, Base64).

mod echo;

use std::fmt;
use std::ops::Range;

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine as _};

use echo::{Decoding, View};

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// A secret is searched for within words only from this length on: shorter ones would erase half of every text, and are
/// struck out where they are a word of their own. The agent's own texts never hold one, whatever its length.
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
        masked.push_str(&mask_url(word));
    }
    masked
}

/// The same for a text that is one URL, whatever stands in its password.
#[must_use]
pub fn mask_url(text: &str) -> String {
    match password_of_url(text) {
        Some(password) => [&text[..password.start], MASK, &text[password.end..]].concat(),
        None => text.to_owned(),
    }
}

/// Where the password of a URL stands, broken ones included.
#[must_use]
pub fn password_of_url(text: &str) -> Option<Range<usize>> {
    let at = text.rfind('@')?;
    // A scheme has no colon in it: behind one, `://` is part of a password.
    let begin = text[..at].find("://").filter(|end| !text[..*end].contains(':')).map_or(0, |end| end + 3);
    let colon = begin + text[begin..at].find(':')?;
    Some(colon + 1..at)
}

/// One form of a secret.
#[derive(Clone)]
struct Needle {
    text: Vec<u8>,
    /// How much of its beginning at the end of a text is taken for it.
    shortest: usize,
    /// Whether it is too short to be looked for within words.
    is_word: bool,
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
    ///
    /// Servers drop the white space and line ends at the ends of what they read, so that they do not count either.
    pub fn add(&mut self, secret: &str) {
        let trimmed = secret.trim();
        if trimmed.len() < secret.len() {
            self.add(trimmed);
        }
        self.add_bytes(secret.as_bytes());
    }

    /// The same of bytes that need not be text.
    pub fn add_bytes(&mut self, secret: &[u8]) {
        if secret.is_empty() {
            return;
        }
        if secret.len() < SHORTEST_SEARCHED {
            let text = secret.to_ascii_lowercase();
            self.needles.push(Needle { shortest: text.len(), text, is_word: true });
            return;
        }
        let hex = secret.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let mut forms = vec![secret.to_ascii_lowercase(), hex.into_bytes()];
        for base64 in
            [BASE64_STANDARD_NO_PAD.encode(secret)].into_iter().chain((0..3).filter_map(|at| base64(secret, at)))
        {
            forms.push(base64.replace('+', "-").replace('/', "_").to_ascii_lowercase().into_bytes());
            forms.push(base64.to_ascii_lowercase().into_bytes());
        }
        for form in forms {
            if !self.needles.iter().any(|known| known.text == form) {
                let shortest = if form.eq_ignore_ascii_case(secret) { SHORTEST_BEGINNING } else { SHORTEST_ENCODED };
                self.needles.push(Needle { text: form, shortest, is_word: false });
            }
        }
        // The longest first, so that no secret is left in part because another one is its beginning.
        self.needles.sort_by_key(|needle| std::cmp::Reverse(needle.text.len()));
    }

    /// Adds what was computed from a secret for one request, such as a signature: it begins as chance has it, and so does
    /// the end of many a text.
    pub fn add_computed(&mut self, value: &str) {
        self.add(value);
        let own = value.to_ascii_lowercase();
        for needle in self.needles.iter_mut().filter(|needle| needle.text == own.as_bytes()) {
            needle.shortest = SHORTEST_ENCODED;
        }
    }

    /// Adds a text from elsewhere; of a URL also the parts that are sent and shown alone.
    pub fn add_text(&mut self, text: &str) {
        const SHORTEST_SEGMENT: usize = 8;
        self.add(text);
        self.add_host(text);
        let Some(url) = url::Url::parse(text).ok().filter(url::Url::has_host) else { return };
        let sent = &url[url::Position::BeforePath..url::Position::AfterQuery];
        if sent.len() >= SHORTEST_SEGMENT {
            self.add(sent);
        }
        let segments = url.path_segments().into_iter().flatten().filter(|segment| segment.len() >= SHORTEST_SEGMENT);
        segments.for_each(|segment| self.add(segment));
        url.query_pairs().for_each(|(_, value)| self.add(&value));
    }

    /// Adds the host of a text that is one, with a scheme or a port around it: it is shown without them.
    fn add_host(&mut self, text: &str) {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/');
        let host = rest.rsplit_once(':').map_or(rest, |(host, port)| match port.parse::<u16>() {
            Ok(_) => host,
            Err(_) => rest,
        });
        let is_name =
            host.contains(|letter: char| letter.is_alphabetic()) && !host.contains(['/', '@', ':', ' ', '?', '#']);
        if is_name && host.len() < text.len() {
            self.add(host);
        }
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

    /// Those that are searched for wherever they stand: short ones are words of the agent's own texts.
    #[must_use]
    pub fn long(&self) -> Self {
        Self { needles: self.needles.iter().filter(|needle| !needle.is_word).cloned().collect() }
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
fn base64(secret: &[u8], at: usize) -> Option<String> {
    const SHORTEST: usize = 6;
    let encoded = BASE64_STANDARD_NO_PAD.encode([&[0; 2][..at.min(2)], secret].concat());
    let (first, end) = ((at * 8).div_ceil(6), (at + secret.len()) * 8 / 6);
    encoded.get(first..end).filter(|own| own.len() >= SHORTEST).map(str::to_owned)
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
    fn a_signature_begins_like_many_a_word() {
        let mut secrets = Secrets::default();
        secrets.add_computed("AsE0123456789abc");
        assert_eq!(secrets.strike("case"), "case");
        assert_eq!(secrets.strike("sign ase0123456789ABC, cut off: AsE012345"), "sign ***, cut off: ***");
    }

    #[test]
    fn passwords_in_urls_are_masked_even_in_broken_ones() {
        let rows = [
            ("see http://bob:pw@host/x", "see http://bob:***@host/x"),
            ("`http://bob:p/w@[::1/`", "`http://bob:***@[::1/`"),
            ("tcp://u:pw@h:1 and ftp://a:b@c", "tcp://u:***@h:1 and ftp://a:***@c"),
            ("u:pw@h and //u:pw@h/", "u:***@h and //u:***@h/"),
            ("u:p://w@h", "u:***@h"),
            ("http://host:80/path", "http://host:80/path"),
        ];
        for (text, masked) in rows {
            assert_eq!(mask_urls(text), masked);
        }
    }

    #[test]
    fn a_short_secret_is_struck_out_where_it_is_a_word() {
        let rows = [
            ("wrong password \"qzj\"", "wrong password \"***\""),
            ("530 QZJ: no", "530 ***: no"),
            ("qzj", "***"),
            ("p=q%7Aj&x", "p=***&x"),
            ("xqzj qzjx", "xqzj qzjx"),
        ];
        for (heard, shown) in rows {
            assert_eq!(secrets("qzj").strike(heard), shown);
        }
    }

    #[test]
    fn white_space_at_the_ends_of_a_secret_may_be_gone() {
        for ends in ["s3cret\n", "s3cret\r\n", "s3cret ", "\ts3cret", " s3cret \n"] {
            let mut secrets = Secrets::default();
            secrets.add(ends);
            assert_eq!(secrets.strike("got s3cret; czNjcmV0"), "got ***; ***", "{ends:?}");
            assert_eq!(secrets.strike(&format!("got {ends};")), "got ***;", "{ends:?}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_secret_too() {
        let mut secrets = Secrets::default();
        secrets.add_bytes(b"TOPSECRET9\xff");
        assert_eq!(secrets.strike_bytes(b"a TOPSECRET9\xff b"), b"a *** b");
        assert_eq!(secrets.strike("544f5053454352455439ff; \"topsecret9\\xff\""), "***; \"***\"");
    }

    #[test]
    fn a_secret_prints_as_a_mask() {
        assert_eq!(format!("{:?}", Secret::new("hidden")), "***");
    }
}
