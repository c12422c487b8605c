//! `{addr}`, `{other.port}`, `{ca}`: words in a case file that are known only once the peers listen.

use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The words of one case and what stands for them.
#[derive(Debug, Default)]
pub struct Places {
    words: BTreeMap<String, String>,
}

impl Places {
    /// Sets a word.
    pub fn set(&mut self, word: impl Into<String>, value: impl Into<String>) {
        self.words.insert(word.into(), value.into());
    }

    /// Sets `{peer.addr}`, `{peer.port}`, `{peer.ip}` and, of its port as FTP writes it, `{peer.p1p2}`; those of the peer
    /// called `server` go without its name too.
    pub fn set_peer(&mut self, peer: &str, address: SocketAddr) {
        let [high, low] = address.port().to_be_bytes();
        let facets = [
            ("addr", address.to_string()),
            ("port", address.port().to_string()),
            ("ip", address.ip().to_string()),
            ("p1p2", format!("{high},{low}")),
        ];
        for (facet, value) in facets {
            if peer == "server" {
                self.set(facet, value.clone());
            }
            self.set(format!("{peer}.{facet}"), value);
        }
    }

    /// The text with every known word in braces replaced.
    ///
    /// Braces are frequent in JSON bodies and templates, so that other words stay as they are; one that looks like
    /// the address of a peer is a slip of the case file.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            let (before, braced) = rest.split_at(open);
            filled.push_str(before);
            let word = braced[1..].split('}').next().unwrap_or_default();
            let closed = braced.len() > word.len() + 1;
            match self.words.get(word) {
                Some(value) if closed => {
                    filled.push_str(value);
                    rest = &braced[word.len() + 2..];
                }
                _ if closed && looks_like_a_place(word) => return Err(format!("no peer for {{{word}}}")),
                _ => {
                    filled.push('{');
                    rest = &braced[1..];
                }
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

fn looks_like_a_place(word: &str) -> bool {
    let facet = word.rsplit('.').next().unwrap_or_default();
    matches!(facet, "addr" | "port" | "ip" | "p1p2" | "sha256" | "spki" | "pem" | "issuer")
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_')
}

/// What the lab checks of this file by itself.
pub fn check() -> Result<(), String> {
    let mut places = Places::default();
    places.set_peer("server", "127.0.0.1:80".parse().map_err(|error| format!("{error}"))?);
    let filled = places.fill(r#"http://{addr}/{{"a":{port}}} {token} {"#)?;
    if filled != r#"http://127.0.0.1:80/{{"a":80}} {token} {"# {
        return Err(format!("filled to {filled}"));
    }
    places.fill("{other.addr}").err().map(|_| ()).ok_or_else(|| "an unknown peer passed".to_owned())
}
