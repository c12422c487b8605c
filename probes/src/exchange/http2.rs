//! One request over HTTP/2 (RFC 9113), by h2 itself: the heads before the final one are seen, and a stream that the
//! server resets within its response is not taken for a response.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::{Connection, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response, StatusCode, header};

use super::outgoing::Outgoing;
use crate::net::stream::Stream;

const LARGEST_HEAD: u32 = 256 * 1024;

/// RFC 9113's own default. The server may not send more body than is read, so that what comes and does not get on is
/// a flood.
const WINDOW: u32 = 65_535;

/// Fields that belong to one connection of HTTP/1.1 and make a request of HTTP/2 malformed (RFC 9113 section 8.2.2).
const CONNECTION_FIELDS: [header::HeaderName; 5] = [
    header::CONNECTION,
    header::HeaderName::from_static("keep-alive"),
    header::HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Sends the preface and the settings.
pub(super) async fn open(stream: Stream) -> Result<(SendRequest<Bytes>, Connection<Stream, Bytes>), h2::Error> {
    h2::client::Builder::new()
        .max_header_list_size(LARGEST_HEAD)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .enable_push(false)
        .handshake(stream)
        .await
}

/// Sends a request and waits for the final head, while its body goes out. Whoever polls this moves the connection before
/// polling again.
pub(super) async fn send(
    sender: SendRequest<Bytes>,
    request: Request<Outgoing>,
    interim: impl Fn(StatusCode),
    head_is_out: impl Fn(),
) -> Result<Response<Stream2>, h2::Error> {
    let mut sender = sender.ready().await?;
    let (mut head, body) = request.into_parts();
    strip_connection_fields(&mut head.headers);
    let (mut response, outlet) = sender.send_request(Request::from_parts(head, ()), body.is_empty())?;
    let mut upload = Upload { outlet, piece: Bytes::new(), body };
    // The head goes out alone, so that its arrival can be told from that of what follows it.
    let mut begun = false;
    let head = poll_fn(|context| {
        if std::mem::replace(&mut begun, true) {
            head_is_out();
            upload.poll(context);
        }
        poll_head(&mut response, context, &interim)
    })
    .await?;
    Ok(head.map(|incoming| Stream2 { incoming, upload, data_done: false }))
}

fn strip_connection_fields(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_owned())
        .collect();
    for name in named {
        headers.remove(name.as_str());
    }
    for name in CONNECTION_FIELDS {
        headers.remove(name);
    }
    if headers.get(header::TE).is_some_and(|value| value != "trailers") {
        headers.remove(header::TE);
    }
}

fn poll_head(
    response: &mut ResponseFuture,
    context: &mut Context<'_>,
    interim: &impl Fn(StatusCode),
) -> Poll<Result<Response<RecvStream>, h2::Error>> {
    // A connection that broke is for the response to report.
    while let Poll::Ready(Some(Ok(head))) = response.poll_informational(context) {
        interim(head.status());
    }
    std::pin::Pin::new(response).poll(context)
}

/// The body of a request on its way, as far as the server's windows let it.
struct Upload {
    outlet: SendStream<Bytes>,
    /// What was taken from the body and is not handed over.
    piece: Bytes,
    body: Outgoing,
}

impl Upload {
    /// Hands over as much as may go out; a stream that the server reset is for the response to report.
    fn poll(&mut self, context: &mut Context<'_>) {
        while !self.is_over() {
            if self.piece.is_empty() {
                match self.body.poll_piece(context) {
                    Poll::Ready(Some(piece)) => self.piece = piece,
                    Poll::Ready(None) => {
                        self.outlet.send_reset(Reason::CANCEL);
                        return;
                    }
                    Poll::Pending => return,
                }
            }
            self.outlet.reserve_capacity(self.piece.len());
            let Poll::Ready(Some(Ok(room @ 1..))) = self.outlet.poll_capacity(context) else { return };
            let piece = self.piece.split_to(room.min(self.piece.len()));
            if self.outlet.send_data(piece, self.is_over()).is_err() {
                return;
            }
            if self.is_over() {
                self.body.all_taken();
            }
        }
    }

    fn is_over(&self) -> bool {
        self.piece.is_empty() && self.body.is_empty()
    }
}

/// The body of a response.
pub(super) struct Stream2 {
    incoming: RecvStream,
    /// What is left of the request's body, where the response came before its end.
    upload: Upload,
    data_done: bool,
}

impl Stream2 {
    /// The next bytes of the body; `None` is its end.
    pub(super) fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, h2::Error>>> {
        self.upload.poll(context);
        if !self.data_done {
            match ready!(self.incoming.poll_data(context)) {
                Some(Ok(data)) => {
                    self.incoming.flow_control().release_capacity(data.len())?;
                    return Poll::Ready(Some(Ok(data)));
                }
                Some(Err(error)) => return Poll::Ready(self.end(error)),
                None => self.data_done = true,
            }
        }
        match ready!(self.incoming.poll_trailers(context)) {
            Ok(_) => Poll::Ready(None),
            Err(error) => Poll::Ready(self.end(error)),
        }
    }

    /// A server that answered early may ask for the rest of the request to be dropped, with `NO_ERROR` (RFC 9113
    /// section 8.1); that is the end of a complete response.
    fn end(&self, error: h2::Error) -> Option<Result<Bytes, h2::Error>> {
        let early = !self.upload.is_over();
        (!early || error.reason() != Some(Reason::NO_ERROR)).then_some(Err(error))
    }
}

/// How long the data frame is that ends a stream, in bytes that begin with a frame (RFC 9113 section 4.1): the library gives
/// none of it away when it is of the wrong length.
pub(super) fn last_data(mut bytes: &[u8]) -> Option<u64> {
    const DATA: u8 = 0;
    const END_STREAM: u8 = 1;
    while let [high, middle, low, kind, flags, _, _, _, _, rest @ ..] = bytes {
        let length = u32::from_be_bytes([0, *high, *middle, *low]);
        if *kind == DATA && flags & END_STREAM != 0 {
            return Some(length.into());
        }
        bytes = rest.get(length as usize..)?;
    }
    None
}
