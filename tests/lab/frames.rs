//! HTTP/2 by hand (RFC 9113): frames as a case file writes them, so that a peer can also send wrong ones.

use std::io;

use serde::Deserialize;

use super::script::from_hex;
use super::wire::Wire;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const END_STREAM: u8 = 0x1;

/// One frame.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    kind: Kind,
    #[serde(default)]
    flags: Vec<Flag>,
    #[serde(default)]
    stream: u32,
    /// Fields of a HEADERS frame as `name: value`, sent as literals without indexing (RFC 7541 section 6.2.2).
    #[serde(default)]
    headers: Vec<String>,
    /// The error of `RST_STREAM` and GOAWAY.
    error: Option<Reason>,
    /// The last stream of GOAWAY that the server will still serve.
    #[serde(default)]
    last: u32,
    /// The payload of DATA, or what follows the error in GOAWAY.
    #[serde(default)]
    text: String,
    /// The payload of any frame, as it is.
    #[serde(default)]
    hex: String,
    /// The length in the frame's head, where it is to be a lie.
    length: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Data = 0,
    Headers = 1,
    RstStream = 3,
    Settings = 4,
    PushPromise = 5,
    Ping = 6,
    Goaway = 7,
    WindowUpdate = 8,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Flag {
    EndStream = 0x1,
    EndHeaders = 0x4,
    Padded = 0x8,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Reason {
    NoError = 0x0,
    ProtocolError = 0x1,
    InternalError = 0x2,
    RefusedStream = 0x7,
    Cancel = 0x8,
    EnhanceYourCalm = 0xb,
    InadequateSecurity = 0xc,
    #[serde(rename = "HTTP_1_1_REQUIRED")]
    Http11Required = 0xd,
}

impl Frame {
    /// The bytes of the frame.
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        let mut payload = Vec::new();
        for field in &self.headers {
            let (name, value) = split_field(field)?;
            payload.push(0);
            payload.extend(literal(name)?);
            payload.extend(literal(value)?);
        }
        if let Some(reason) = self.error {
            if matches!(self.kind, Kind::Goaway) {
                payload.extend(self.last.to_be_bytes());
            }
            payload.extend((reason as u32).to_be_bytes());
        }
        payload.extend(self.text.as_bytes());
        payload.extend(from_hex(&self.hex)?);
        let length = match self.length {
            Some(lie) => lie,
            None => u32::try_from(payload.len()).map_err(io::Error::other)?,
        };
        let mut frame = length.to_be_bytes()[1..].to_vec();
        frame.push(self.kind as u8);
        frame.push(self.flags.iter().fold(0, |flags, flag| flags | *flag as u8));
        frame.extend(self.stream.to_be_bytes());
        frame.extend(payload);
        Ok(frame)
    }
}

fn split_field(field: &str) -> io::Result<(&str, &str)> {
    // A pseudo-header begins with the colon that separates elsewhere.
    let colon = field[1..].find(": ").ok_or_else(|| io::Error::other(format!("`{field}` is no field")))? + 1;
    Ok((&field[..colon], &field[colon + 2..]))
}

fn literal(text: &str) -> io::Result<Vec<u8>> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 127);
    let mut bytes = vec![length.ok_or_else(|| io::Error::other("a literal of 127 bytes or more"))?];
    bytes.extend(text.as_bytes());
    Ok(bytes)
}

/// Waits for the preface and one whole request.
pub async fn hear_request(wire: &mut Wire) -> io::Result<()> {
    let preface = wire.hear_until(|got| (got.len() >= PREFACE.len()).then_some(PREFACE.len())).await?;
    if preface != PREFACE {
        return Err(io::Error::other("no HTTP/2 preface"));
    }
    loop {
        let frame = wire.hear_until(whole_frame).await?;
        let (kind, flags) = (frame[3], frame[4]);
        if matches!(kind, 0 | 1) && flags & END_STREAM != 0 {
            return Ok(());
        }
    }
}

fn whole_frame(got: &[u8]) -> Option<usize> {
    let head = got.get(..9)?;
    let length = 9 + usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).ok()?;
    (got.len() >= length).then_some(length)
}
