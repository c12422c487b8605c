//! Holds an answer against what a step expects while it comes, in bounded memory.

use memchr::memmem;
use regex::bytes::Regex;

use super::data::{Data, md5_of};
use super::digest::Digest;
use super::fault::Data as Wrong;
use super::fault::{Answer, Fault};
use super::template::{Template, Variables};
use crate::fault::Failure;
use crate::net::stream::show;
use crate::net::transcript::excerpt;
use crate::secret::Secrets;

/// What a step expects of its answer.
#[derive(Clone, Debug, Default)]
pub enum Verify {
    /// One byte of it.
    #[default]
    None,
    /// That it is these bytes.
    Full(Data),
    /// That it has these bytes in it.
    Partial(Data),
    /// That all of it has this MD5.
    Md5(Template),
}

impl Verify {
    /// What is wrong with it whatever the variables come to.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Full(data) | Self::Partial(data) => data.check(),
            Self::Md5(text) if !text.varies() => md5_of(&text.fill(&Variables::new())).map(drop),
            Self::None | Self::Md5(_) => Ok(()),
        }
    }

    /// The texts that may have variables.
    #[must_use]
    pub const fn template(&self) -> Option<&Template> {
        match self {
            Self::None => None,
            Self::Full(data) | Self::Partial(data) => Some(&data.template),
            Self::Md5(text) => Some(text),
        }
    }

    fn wanted(&self, variables: &Variables) -> Result<Wanted, String> {
        Ok(match self {
            Self::None => Wanted::Any,
            Self::Full(data) => Wanted::Full { expected: data.bytes(variables)?, same: true },
            Self::Partial(data) => {
                let expected = data.bytes(variables)?;
                Wanted::Partial { found: expected.is_empty(), expected, tail: Vec::new() }
            }
            Self::Md5(text) => {
                Wanted::Md5 { expected: md5_of(&text.fill(variables))?, digest: Some(Digest::new()), found: None }
            }
        })
    }
}

enum Wanted {
    Any,
    Full {
        expected: Vec<u8>,
        same: bool,
    },
    Partial {
        expected: Vec<u8>,
        tail: Vec<u8>,
        found: bool,
    },
    /// The MD5 of all of it is known at its end.
    Md5 {
        expected: [u8; 16],
        digest: Option<Digest>,
        found: Option<[u8; 16]>,
    },
}

/// How much of an answer expressions search.
const MOST_SEARCHED: usize = 1024 * 1024;

/// How much of it is kept to be shown: more than is shown, so that secrets are struck out whole.
const MOST_KEPT: usize = 8 * 1024;

/// An answer under judgement.
pub(super) struct Judge {
    wanted: Wanted,
    received: u64,
    /// The beginning of it, as far as somebody looks at it again.
    kept: Vec<u8>,
    /// What must be found in it for later steps.
    patterns: Vec<Regex>,
    /// Whether the bytes so far are whole: nothing can come that belongs to the same word.
    whole: bool,
}

impl Judge {
    /// Begins without a byte.
    pub(super) fn new(verify: &Verify, patterns: Vec<Regex>, variables: &Variables) -> Result<Self, Failure<Fault>> {
        let wanted = verify.wanted(variables).map_err(|why| Failure::new(Wrong::Verify, why))?;
        Ok(Self { wanted, received: 0, kept: Vec::new(), patterns, whole: false })
    }

    /// Takes the next bytes, and says how many of them belong to the answer.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let mut taken = bytes.len();
        let before = usize::try_from(self.received).unwrap_or(usize::MAX);
        match &mut self.wanted {
            Wanted::Any | Wanted::Partial { found: true, .. } => {}
            Wanted::Full { expected, same } => {
                *same &= expected.get(before..).is_some_and(|rest| rest.starts_with(bytes));
            }
            Wanted::Partial { expected, tail, found } => {
                let old = tail.len();
                tail.extend_from_slice(bytes);
                if let Some(at) = memmem::find(tail, expected) {
                    *found = true;
                    // What is searched for later steps is not cut there.
                    taken = if self.patterns.is_empty() { at + expected.len() - old } else { taken };
                }
                tail.drain(..tail.len().saturating_sub(expected.len().saturating_sub(1)));
            }
            Wanted::Md5 { digest, .. } => digest.iter_mut().for_each(|digest| digest.take(bytes)),
        }
        self.received += taken as u64;
        let most = if self.patterns.is_empty() { MOST_KEPT } else { MOST_SEARCHED };
        let room = most.saturating_sub(self.kept.len()).min(taken);
        self.kept.extend_from_slice(&bytes[..room]);
        taken
    }

    /// The same of a message that is whole.
    pub(super) fn take_message(&mut self, bytes: &[u8]) {
        self.take(bytes);
        self.whole = true;
    }

    /// How many bytes of the answer came.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// The beginning of the answer.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Whether no further byte is needed.
    pub(super) fn is_enough(&self) -> bool {
        let enough = match &self.wanted {
            Wanted::Any => self.received > 0,
            Wanted::Full { expected, .. } => self.received > 0 && self.received >= expected.len() as u64,
            Wanted::Partial { found, .. } => *found && self.received > 0,
            Wanted::Md5 { .. } => false,
        };
        enough && (self.kept.len() >= MOST_SEARCHED || self.patterns.iter().all(|pattern| self.is_settled(pattern)))
    }

    /// Whether an expression matches, and no further byte can belong to its group.
    fn is_settled(&self, pattern: &Regex) -> bool {
        let Some(found) = pattern.captures(&self.kept) else { return false };
        self.whole || found.get(1).is_none_or(|group| group.end() < self.kept.len())
    }

    /// The MD5 of what came, where the step wants one; nothing can be taken after it.
    pub(super) fn md5(&mut self) -> Option<[u8; 16]> {
        match &mut self.wanted {
            Wanted::Md5 { digest, found, .. } => {
                if let Some(digest) = digest.take() {
                    *found = Some(digest.finish());
                }
                *found
            }
            Wanted::Any | Wanted::Full { .. } | Wanted::Partial { .. } => None,
        }
    }

    /// The verdict on what came, where nothing more will; `end` says why.
    pub(super) fn end(&mut self, secrets: &Secrets, end: &str) -> Result<(), Failure<Fault>> {
        let count = self.received;
        let heard = show(secrets, excerpt(&secrets.strike_bytes(&self.kept)));
        let came = format!("the {count} bytes that came{end}; they begin with {heard}");
        let shown = |bytes: &[u8]| show(&Secrets::default(), excerpt(bytes));
        let md5 = self.md5();
        match &self.wanted {
            Wanted::Full { expected, same } if !(*same && count == expected.len() as u64) => {
                let (wanted, length) = (shown(expected), expected.len());
                Err(Failure::new(Answer::Full, format!("the {length} bytes expected, {wanted}, are not {came}")))
            }
            Wanted::Partial { expected, found: false, .. } => {
                Err(Failure::new(Answer::Partial, format!("the expected {} is not in {came}", shown(expected))))
            }
            Wanted::Md5 { expected, .. } if md5 != Some(*expected) => {
                let (own, wanted) = (hex(&md5.unwrap_or_default()), hex(expected));
                Err(Failure::new(Answer::Md5, format!("the MD5 is {own}, expected is {wanted}, of {came}")))
            }
            Wanted::Any | Wanted::Full { .. } | Wanted::Partial { .. } | Wanted::Md5 { .. } => Ok(()),
        }
    }
}

/// Lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::data::Mode;

    fn text(text: &str) -> Data {
        Data { mode: Mode::Text, template: Template::literal(text) }
    }

    fn judge(verify: &Verify) -> Judge {
        Judge::new(verify, Vec::new(), &Variables::new()).expect("fine data")
    }

    /// What came, piece by piece: how much of the last one is taken, whether it is enough, and the verdict.
    fn hear(verify: &Verify, pieces: &[&str]) -> (usize, bool, bool) {
        let mut judge = judge(verify);
        let taken = pieces.iter().map(|piece| judge.take(piece.as_bytes())).last().unwrap_or(0);
        (taken, judge.is_enough(), judge.end(&Secrets::default(), "").is_ok())
    }

    #[test]
    fn answers_are_judged_piece_by_piece() {
        let (full, partial) = (Verify::Full(text("PONG")), Verify::Partial(text("PONG")));
        let md5 = Verify::Md5(Template::literal("7D9DF33AF3D3F5B3F0FAF4E9FF2F3A07"));
        assert_eq!(hear(&Verify::None, &["x"]), (1, true, true));
        assert_eq!(hear(&full, &["PO"]), (2, false, false));
        assert_eq!(hear(&full, &["PO", "NG"]), (2, true, true));
        assert_eq!(hear(&full, &["PO", "NGS"]), (3, true, false));
        assert_eq!(hear(&full, &["PING"]), (4, true, false));
        assert_eq!(hear(&partial, &["a PO", "NG b"]), (2, true, true));
        assert_eq!(hear(&partial, &["a PO", "N", "G"]), (1, true, true));
        assert_eq!(hear(&partial, &["a PO ", "NG"]), (2, false, false));
        assert_eq!(hear(&md5, &["PO", "NG"]), (2, false, false));
    }

    #[test]
    fn what_an_expression_finds_must_be_whole() {
        let pattern = vec![Regex::new("id=([0-9]+)").expect("an expression")];
        let mut judge = Judge::new(&Verify::None, pattern, &Variables::new()).expect("fine data");
        let enough: Vec<bool> = ["x", " id=4", "2", "\r\n"]
            .into_iter()
            .map(|piece| {
                judge.take(piece.as_bytes());
                judge.is_enough()
            })
            .collect();
        assert_eq!(enough, [false, false, false, true]);
    }

    #[test]
    fn long_answers_are_not_kept() {
        let mut judge = judge(&Verify::Partial(text("needle")));
        for _ in 0..1000 {
            judge.take(&[b'x'; 1000]);
        }
        assert_eq!((judge.received(), judge.kept().len()), (1_000_000, MOST_KEPT));
        assert_eq!(judge.take(b"a needle in it"), "a needle".len());
    }
}
