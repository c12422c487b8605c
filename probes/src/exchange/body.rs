//! Reading a response body: bounded, decoded, and with the exact reason where it breaks off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use bytes::Bytes;
use http::{HeaderMap, Version, header};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader, ReadBuf};

use super::{Answer, Arriving, Broken, Driver, Fault, ROOM, Trouble, broken, name_error, unknown_transfer_coding};
use crate::fault::{self, Failure, Receive};
use crate::net::Attempt;
use crate::net::stream::Tap;

/// What a request offers when bodies may be compressed.
pub(crate) const ACCEPT_ENCODING: &str = "gzip, deflate, br, zstd";

/// More codings than this on one body are a bomb, not a body.
const MOST_CODINGS: usize = 4;

/// RFC 9659 section 3: decoders need not support windows over 8 MB.
const LARGEST_ZSTD_WINDOW_LOG: u32 = 23;

/// An end within a body, and what it is where nothing but the end could have told that the body is complete.
const CLOSED: Fault = Fault::Net(fault::Fault::Receive(Receive::Closed));
const TRUNCATED: Fault = Fault::Net(fault::Fault::Receive(Receive::Truncated));

impl Answer {
    /// Reads the body up to `limit` decoded bytes, and no further; then the exchange is over.
    pub(crate) async fn read_body(
        mut self,
        attempt: &mut Attempt<'_>,
        limit: usize,
        decode: bool,
    ) -> Result<Vec<u8>, Failure<Fault>> {
        let codings = if decode { codings(&self.headers) } else { Ok(Vec::new()) };
        let codings = match (unknown_transfer_coding(&self.headers), codings) {
            (true, _) => Err(broken(Broken::Malformed, "the Transfer-Encoding is not `chunked`")),
            (false, codings) => codings,
        };
        let delimited_by_end = self.version != Version::HTTP_2
            && !self.headers.contains_key(header::CONTENT_LENGTH)
            && !self.headers.contains_key(header::TRANSFER_ENCODING);
        let mut source = Source {
            incoming: self.incoming,
            driver: self.driver,
            chunk: Bytes::new(),
            broke: None,
            tap: self.tap.clone(),
            handed_over: 0,
            yielded: false,
        };
        let names = codings.as_ref().map(|codings| codings.iter().map(|coding| coding.name()).collect::<Vec<_>>());
        let names = names.unwrap_or_default().join(", ");
        let read = attempt.within(read(&mut source, codings, limit)).await;
        let result = match (read, source.broke.take()) {
            (Some(Err(Unread::Unreadable(failure))), None) => Err(failure),
            (None, _) => Err(attempt.receive_failure(&self.tap, true).map(Fault::Net)),
            (Some(Ok(body)), _) => Ok(body),
            (Some(Err(_)), Some(error)) => {
                let mut failure = name_error(attempt, &self.tap, &error, true);
                if delimited_by_end && failure.fault == CLOSED {
                    failure.fault = TRUNCATED;
                }
                Err(failure)
            }
            (Some(Err(Unread::Io(error))), None) => {
                Err(broken(Broken::BodyEncoding, format!("the body is no {names}: {error}")))
            }
        };
        self.clock.stop(attempt);
        result
    }

    /// Ends the exchange without the body.
    pub(crate) fn leave_body(mut self, attempt: &mut Attempt<'_>) {
        self.clock.stop(attempt);
    }
}

/// Why a body could not be read.
enum Unread {
    /// The connection broke, or the body is not what its coding says.
    Io(io::Error),
    /// Its coding is none that the agent knows.
    Unreadable(Failure<Fault>),
}

impl From<io::Error> for Unread {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

async fn read(
    source: &mut Source,
    codings: Result<Vec<Coding>, Failure<Fault>>,
    limit: usize,
) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    // A response without a body, to HEAD or with 204 and 304, may still name the coding it would have had.
    if source.fill_buf().await?.is_empty() {
        return Ok(body);
    }
    let codings = codings.map_err(Unread::Unreadable)?;
    if codings.is_empty() {
        source.take(limit as u64).read_to_end(&mut body).await?;
        return Ok(body);
    }
    let mut reader: Box<dyn AsyncBufRead + Send + Unpin + '_> = Box::new(source);
    // The codings were applied in the order of the list (RFC 9110 section 8.4), so they come off from its end.
    for coding in codings.iter().rev() {
        reader = coding.decoder(reader).await?;
    }
    reader.take(limit as u64).read_to_end(&mut body).await?;
    Ok(body)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    async fn decoder<'a>(
        self,
        mut reader: Box<dyn AsyncBufRead + Send + Unpin + 'a>,
    ) -> io::Result<Box<dyn AsyncBufRead + Send + Unpin + 'a>> {
        Ok(match self {
            Self::Gzip => {
                let mut decoder = GzipDecoder::new(reader);
                decoder.multiple_members(true);
                Box::new(BufReader::new(decoder))
            }
            // "deflate" means zlib (RFC 9110 section 8.4.1.2), and some servers send bare deflate all the same.
            Self::Deflate if is_zlib(reader.fill_buf().await?) => Box::new(BufReader::new(ZlibDecoder::new(reader))),
            Self::Deflate => Box::new(BufReader::new(DeflateDecoder::new(reader))),
            Self::Brotli => Box::new(BufReader::new(BrotliDecoder::new(reader))),
            Self::Zstd => {
                let window = [DParameter::window_log_max(LARGEST_ZSTD_WINDOW_LOG)];
                Box::new(BufReader::new(ZstdDecoder::with_params(reader, &window)))
            }
        })
    }
}

/// Whether bytes begin a zlib stream (RFC 1950 section 2.2): method 8, and a header that is a multiple of 31.
fn is_zlib(bytes: &[u8]) -> bool {
    match bytes {
        [method, flags, ..] => method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0,
        [method] => method & 0x0f == 8,
        [] => false,
    }
}

fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, Failure<Fault>> {
    let mut codings = Vec::new();
    for value in headers.get_all(header::CONTENT_ENCODING) {
        let text = String::from_utf8_lossy(value.as_bytes());
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let coding = match name.to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => Coding::Gzip,
                "deflate" => Coding::Deflate,
                "br" => Coding::Brotli,
                "zstd" => Coding::Zstd,
                "identity" => continue,
                _ => {
                    return Err(broken(
                        Broken::BodyEncoding,
                        format!("the body has the unknown Content-Encoding `{name}`"),
                    ));
                }
            };
            codings.push(coding);
        }
    }
    if codings.len() > MOST_CODINGS {
        return Err(broken(Broken::BodyEncoding, format!("the body has {} Content-Encodings at once", codings.len())));
    }
    Ok(codings)
}

/// The body as a reader; whoever reads also moves the connection.
struct Source {
    incoming: Arriving,
    driver: Driver,
    chunk: Bytes,
    broke: Option<Trouble>,
    /// How many chunks the reader got; most bodies are one, and need no turn for others.
    handed_over: u64,
    yielded: bool,
    tap: Tap,
}

impl AsyncBufRead for Source {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.chunk.is_empty() {
            // A decoder may eat any number of chunks without a byte of body to show for it; whoever else runs here, the
            // deadline among them, gets a turn between two.
            if this.handed_over > 1 && !std::mem::replace(&mut this.yielded, true) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let mut data = this.incoming.poll_data(context);
            if data.is_pending() {
                this.driver.poll(context);
                data = this.incoming.poll_data(context);
            }
            match ready!(data) {
                Some(Ok(data)) => {
                    this.chunk = data;
                    this.handed_over += 1;
                    this.yielded = false;
                    this.tap.application().room = Some(ROOM);
                }
                Some(Err(error)) => {
                    this.broke = Some(error);
                    return Poll::Ready(Err(io::ErrorKind::Other.into()));
                }
                None => break,
            }
        }
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let _ = self.get_mut().chunk.split_to(amount);
    }
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let available = ready!(self.as_mut().poll_fill_buf(context))?;
        let amount = available.len().min(buffer.remaining());
        buffer.put_slice(&available[..amount]);
        self.consume(amount);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_read_in_order_and_unknown_ones_refused() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_ENCODING, text.parse().expect("a header value"));
            codings(&headers).map_err(|failure| failure.fault)
        };
        assert_eq!(of("gzip, BR"), Ok(vec![Coding::Gzip, Coding::Brotli]));
        assert_eq!(of("identity"), Ok(vec![]));
        assert_eq!(of("compress"), Err(Fault::Broken(Broken::BodyEncoding)));
        assert_eq!(of("gzip,gzip,gzip,gzip,gzip"), Err(Fault::Broken(Broken::BodyEncoding)));
    }
}
