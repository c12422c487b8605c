//! Content codings (RFC 9110 section 8.4): which ones a body has, and how they come off.

use std::io;

use async_compression::tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use http::{HeaderMap, header};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader};

use super::{Broken, Fault, broken};
use crate::fault::Failure;

/// What a request offers when bodies may be compressed.
pub(crate) const ACCEPT_ENCODING: &str = "gzip, deflate, br, zstd";

/// More codings than this on one body are a bomb, not a body.
const MOST_CODINGS: usize = 4;

/// RFC 9659 section 3: decoders need not support windows over 8 MB.
const LARGEST_ZSTD_WINDOW_LOG: u32 = 23;

/// A body, with as many decoders around it as it has codings.
pub(super) type Reader<'a> = Box<dyn AsyncBufRead + Send + Unpin + 'a>;

/// A coding that the agent can undo.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    async fn decoder(self, mut reader: Reader<'_>) -> io::Result<Reader<'_>> {
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

/// The codings of a body, in the order in which they were applied.
pub(super) fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, Failure<Fault>> {
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

/// The codings were applied in the order of the list (RFC 9110 section 8.4), so they come off from its end.
pub(super) async fn decoded<'a>(mut reader: Reader<'a>, codings: &[Coding]) -> io::Result<Reader<'a>> {
    for coding in codings.iter().rev() {
        reader = coding.decoder(reader).await?;
    }
    Ok(reader)
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
