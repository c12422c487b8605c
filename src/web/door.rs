//! Listening: how many may come in at once, how much they may say, and how long they may take.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use super::encryption::Shown;
use super::patience::Patient;
use super::{App, router};
use crate::settings::daemon::Web;

/// How many connections are open at once; further ones wait in the kernel.
const MOST_CONNECTIONS: usize = 512;
/// How long the head of a request may take, the next one's on a kept connection too, and a TLS handshake.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// How big the head of a request may be.
const LARGEST_HEAD: usize = 32 * 1024;
/// How long to wait where the kernel has no more sockets for us.
const PAUSE: Duration = Duration::from_millis(100);

/// The open door.
#[derive(Debug)]
pub struct Door {
    listener: TcpListener,
    address: SocketAddr,
    shown: Option<Arc<Shown>>,
}

impl Door {
    /// Listens where the settings say, with their certificate.
    pub async fn open(web: &Web) -> Result<Self, String> {
        let shown = Shown::read(web)?;
        let wrong = |error: io::Error| format!("[web] listen = \"{}\": {error}", web.listen);
        let listener = TcpListener::bind(web.listen).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        Ok(Self { listener, address, shown })
    }

    /// Where it is, with the port that the kernel chose where the settings say 0.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The scheme of its URLs.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        if self.shown.is_some() { "https" } else { "http" }
    }

    /// Answers until `stop` comes; what is then under way has so long to end.
    pub async fn serve(self, app: App, stop: impl Future<Output = ()>, grace: Duration) -> Result<(), String> {
        let acceptor = self.shown.as_ref().map(Shown::acceptor).transpose()?;
        let mut config = app.config.clone();
        let (close, closing) = watch::channel(false);
        let room = Room { router: router(app), acceptor, closing };
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut open = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                Ok(()) = config.changed() => self.renew(&config.borrow_and_update().settings.daemon.web),
                Some(_) = open.join_next() => {}
                (stream, place) = self.next(&places) => { open.spawn(room.clone().welcome(stream, place)); }
            }
        }
        drop(self.listener);
        let _ = close.send(true);
        let all = async { while open.join_next().await.is_some() {} };
        let _ = within(grace, all).await;
        Ok(())
    }

    /// The next connection, once there is a place for it.
    async fn next(&self, places: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
        let place = Arc::clone(places).acquire_owned().await.ok();
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => return (stream, place),
                // The peer has gone again, or there are no more descriptors: the latter passes.
                Err(error) => {
                    tracing::debug!("web: a connection could not be taken: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn renew(&self, web: &Web) {
        if let Some(Err(why)) = self.shown.as_ref().map(|shown| shown.renew(web)) {
            tracing::error!("{why}; the certificate read before is shown on");
        }
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Room {
    router: Router,
    acceptor: Option<TlsAcceptor>,
    closing: watch::Receiver<bool>,
}

impl Room {
    /// Encrypts a connection where that is wanted, and serves it to its end.
    async fn welcome(self, stream: TcpStream, place: Option<OwnedSemaphorePermit>) {
        let _ = stream.set_nodelay(true);
        match self.acceptor.clone() {
            None => self.serve(stream).await,
            Some(acceptor) => match within(HEAD_TIME, acceptor.accept(stream)).await {
                Some(Ok(stream)) => self.serve(stream).await,
                Some(Err(error)) => tracing::debug!("web: a TLS handshake failed: {error}"),
                None => {}
            },
        }
        drop(place);
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let Self { router, mut closing, .. } = self;
        let service = TowerToHyperService::new(router.map_request(|request: Request<Incoming>| request.map(Body::new)));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_header_size(LARGEST_HEAD)
            .max_buf_size(LARGEST_HEAD * 2)
            .serve_connection(TokioIo::new(Patient::new(stream)), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = until(&mut closing) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!("web: a connection broke off: {error}");
        }
    }
}

/// Waits until the door closes.
async fn until(closing: &mut watch::Receiver<bool>) {
    // Without anybody who could close it, it is closed.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Waits for a peer that came to us for so long.
#[expect(clippy::disallowed_methods, reason = "the deadlines of probes are for peers that we went to")]
async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, work).await.ok()
}
