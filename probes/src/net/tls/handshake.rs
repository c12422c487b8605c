//! One handshake, what was seen of it, and the names of what went wrong in it or right after it.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, HandshakeKind, InvalidMessage, PeerMisbehaved};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::alert::{ClientCertificate, alert_fault, alert_name, begins_a_record};
use super::flight::Flight;
use super::verifier::Verifier;
use super::{Client, suite_name};
use crate::address;
use crate::evidence;
use crate::fault::{Certificate, Failure, Handshake, Receive};
use crate::net::stream::{Broken, Stream, Tap, Wire, show};
use crate::net::verdict::{Anchors, Inquiry, describe};
use crate::net::{Attempt, Host, before};
use crate::phases::Phase;
use crate::secret::Secrets;

/// The version as the evidence has it.
const TLS13: &str = "TLSv1.3";

impl Attempt<'_> {
    /// Encrypts a connection to `host`, and puts what was seen into the evidence, good or bad.
    pub(crate) async fn encrypt(
        &mut self,
        client: &Client,
        wire: Wire,
        host: &address::Host,
        alpn: &[&[u8]],
    ) -> Result<Stream, Failure> {
        let session = self.prepare_tls(client, host, alpn)?;
        self.encrypt_in(&session, wire).await
    }

    /// Makes a session ready that a second connection to the same host can resume.
    pub(crate) fn resumable_session(&mut self, client: &Client, host: &address::Host) -> Result<Session, Failure> {
        self.prepare_tls(client, host, &[]).map(Session::resumable)
    }

    fn prepare_tls(&mut self, client: &Client, host: &address::Host, alpn: &[&[u8]]) -> Result<Session, Failure> {
        let name = match &client.settings.server_name {
            Some(name) => Ok(name.clone()),
            // The run then ends in the phase of the handshake that cannot be.
            None => server_name(host).inspect_err(|_| self.add(Phase::Tls, Duration::ZERO)),
        };
        let begun = Instant::now();
        let session = Session::new(client, self.host, name?, self.now(), alpn);
        self.tls_setup += begun.elapsed();
        Ok(session)
    }

    /// Encrypts the run's own connection in a session.
    pub(crate) async fn encrypt_in(&mut self, session: &Session, wire: Wire) -> Result<Stream, Failure> {
        let deadline = self.tls_deadline();
        let begun = self.enter(Phase::Tls);
        // The first handshake of a process reads the system's trust anchors.
        let setup = std::mem::take(&mut self.tls_setup);
        self.add(Phase::Tls, setup);
        let done = session.shake_hands(wire, deadline, &self.conditions.secrets).await;
        let done = self.inquire(done, deadline).await;
        self.leave(Phase::Tls, begun);
        self.client_certificate = Some(session.client_certificate.clone());
        tell(&done.seen);
        self.evidence.tls = Some(done.seen);
        done.result.map(|stream| Stream::tls(stream, session.strict_shutdown))
    }

    /// Encrypts a connection beside the run's own, resuming its session where the server lets us. What was seen is
    /// evidence only where it failed; the time belongs to the phase of whoever asks.
    pub(crate) async fn encrypt_beside(&mut self, session: &Session, wire: Wire) -> Result<Stream, Failure> {
        session.client_certificate.forget();
        let deadline = self.tls_deadline();
        let done = session.shake_hands(wire, deadline, &self.conditions.secrets).await;
        let done = self.inquire(done, deadline).await;
        tell(&done.seen);
        match &done.result {
            Ok(stream) if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) => {
                tracing::debug!(target: "conversation", "* the TLS session is resumed");
            }
            Ok(_) => {}
            Err(_) => self.evidence.tls = Some(done.seen),
        }
        done.result.map(|stream| Stream::tls(stream, session.strict_shutdown))
    }

    /// Whether the server asked for a client certificate in TLS 1.3 and has not said what it thinks of the answer.
    pub(crate) fn verdict_is_open(&self) -> bool {
        let asked = self.client_certificate.as_ref().is_some_and(|asked| asked.was_asked());
        let version = self.evidence.tls.as_ref().and_then(|tls| tls.version.as_deref());
        asked && version == Some(TLS13)
    }

    /// The refusal of the client certificate, or of its absence, if an alert that was read says so.
    pub(crate) fn client_certificate_failure(&mut self, tap: &Tap) -> Option<Failure> {
        let alert = match &tap.application().read_error {
            Some(Broken { tls: Some(rustls::Error::AlertReceived(alert)), .. }) => *alert,
            _ => return None,
        };
        let fault = self.client_certificate.as_ref()?.fault(alert)?;
        let alert = alert_name(alert);
        let detail = format!("the server ended the session with the alert {alert}");
        if let Some(seen) = &mut self.evidence.tls {
            seen.alert = Some(alert);
        }
        Some(Failure::new(fault, detail))
    }

    /// The failure of an answer that did not come, or not to its end, as the tap saw it. A refusal of the client
    /// certificate that TLS 1.3 delivers after the handshake is one of TLS.
    pub(crate) fn receive_failure(&mut self, tap: &Tap, begun: bool) -> Failure {
        if !begun && let Some(failure) = self.client_certificate_failure(tap) {
            self.blame(Phase::Tls);
            return failure;
        }
        let record = tap.application();
        let fault = record.receive_fault(begun);
        let received = record.received;
        let detail = match fault {
            Receive::Silence => "connected, and no byte of an answer came in time".to_owned(),
            Receive::NothingClosed => "the peer closed the connection without an answer".to_owned(),
            Receive::NothingReset => "the peer reset the connection without an answer".to_owned(),
            Receive::TimedOut => format!("the answer stopped after {received} bytes and was not complete in time"),
            Receive::Closed => format!("the peer closed the connection after {received} bytes of an incomplete answer"),
            Receive::Reset => format!("the peer reset the connection after {received} bytes of an incomplete answer"),
            Receive::Truncated => format!("TLS ended without close_notify after {received} bytes"),
            Receive::Other => match &record.read_error {
                Some(Broken { tls: Some(error), .. }) => format!("TLS failed while receiving: {error}"),
                Some(broken) => format!("receiving failed: {}", broken.kind),
                None => "receiving failed".to_owned(),
            },
        };
        Failure::new(fault, detail).with_errno(record.errno())
    }
}

fn server_name(host: &address::Host) -> Result<ServerName<'static>, Failure> {
    let text = host.without_dot();
    ServerName::try_from(text.clone())
        .map_err(|_| Failure::new(Certificate::NameMismatch, format!("no certificate can be for the name `{text}`")))
}

fn too_late() -> Failure {
    Failure::new(Handshake::TimedOut, "the TLS handshake was not done in time")
}

fn tell(seen: &evidence::Tls) {
    if let Some(version) = &seen.version {
        let cipher = seen.cipher.as_deref().unwrap_or("?");
        tracing::debug!(target: "conversation", "* {version}, {cipher}");
    }
}

/// What came of a handshake.
pub(crate) struct Done {
    pub(crate) result: Result<TlsStream<Wire>, Failure>,
    pub(crate) seen: evidence::Tls,
    /// What must still be fetched before the certificates are known to be good.
    pub(super) inquiry: Option<Inquiry>,
}

/// A TLS client made ready for one server in one run.
///
/// rustls resumes a session only under the verifier and the identity that began it, so that they are kept together.
#[derive(Debug)]
pub(crate) struct Session {
    config: ClientConfig,
    name: ServerName<'static>,
    verifier: Arc<Verifier>,
    client_certificate: Arc<ClientCertificate>,
    strict_shutdown: bool,
    /// Whether a handshake may have to wait for a token that signs.
    slow: bool,
}

impl Session {
    /// A session whose handshakes are all full ones.
    pub(crate) fn new(
        client: &Client,
        host: &Host,
        name: ServerName<'static>,
        now: SystemTime,
        alpn: &[&[u8]],
    ) -> Self {
        let anchors = client
            .settings
            .anchors
            .clone()
            .unwrap_or_else(|| if client.settings.verify { host.roots() } else { Arc::new(Anchors::new([])) });
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let verifier = Arc::new(Verifier::new(anchors, client.demands(name.clone()), now));
        let client_certificate =
            Arc::new(ClientCertificate::new(client.settings.identity.as_ref().map(|own| own.certified.clone())));
        let mut config = client.template.clone();
        config.dangerous().set_certificate_verifier(verifier.clone());
        config.client_auth_cert_resolver = client_certificate.clone();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let strict_shutdown = client.settings.strict_shutdown;
        let slow = client.settings.identity.as_ref().is_some_and(|own| own.slow);
        Self { config, name, verifier, client_certificate, strict_shutdown, slow }
    }

    /// The same with a store of its own, so that its second handshake can resume the first.
    fn resumable(mut self) -> Self {
        const HOSTS: usize = 1;
        self.config.resumption = Resumption::in_memory_sessions(HOSTS);
        self
    }

    /// Shakes hands over an open connection.
    pub(crate) async fn shake_hands(&self, wire: Wire, deadline: Instant, secrets: &Secrets) -> Done {
        let connector = TlsConnector::from(Arc::new(self.config.clone()));
        let flight = Arc::new(Mutex::new(Flight::default()));
        let connecting = connector.connect(self.name.clone(), wire.watched(flight.clone())).into_fallible();
        let connected =
            if self.slow { before(deadline, elsewhere(connecting)).await } else { before(deadline, connecting).await };
        let mut seen = evidence::Tls::default();
        let flight = std::mem::take(&mut *flight.lock().unwrap_or_else(PoisonError::into_inner));
        // A flight that breaks off shows its certificates all the same, and a client that verifies at once goes no further. One
        // that this side gave up at its beginning has come as far as chance has it.
        let gave_up = |error: &io::Error| {
            let reason = Broken::of(error).tls;
            matches!(reason, Some(rustls::Error::PeerIncompatible(_) | rustls::Error::PeerMisbehaved(_)))
        };
        let refusal = |gave_up: bool| {
            if !gave_up {
                self.verifier.judge_what_came(flight.certificates());
            }
            insists_on_fortezza(&flight).or_else(|| self.verifier.decision())
        };
        let result = match connected {
            Some(Ok(mut stream)) => {
                describe_session(&stream, &mut seen);
                stream.get_mut().0.unwatch();
                insists_on_fortezza(&flight).map_or(Ok(stream), Err)
            }
            Some(Err((error, wire))) => Err(refusal(gave_up(&error)).unwrap_or_else(|| {
                refine(&error, &wire, &self.verifier, &self.client_certificate, &mut seen, secrets)
            })),
            None => Err(refusal(false).unwrap_or_else(too_late)),
        };
        let inquiry = self.verifier.inquiry().filter(|_| result.is_ok());
        let judged = std::mem::take(&mut *self.verifier.seen.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(judged) = judged {
            seen.chain = describe(&judged.chain);
            seen.problems = judged.verdict.problems.iter().map(Into::into).collect();
            seen.revocation = judged.verdict.sources;
        }
        Done { result, seen, inquiry }
    }
}

/// Does work on a thread of its own until nobody waits for it any more: rustls lets a token sign in the midst of a
/// handshake, and how long that takes is up to the token.
async fn elsewhere<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = Handle::current();
    let (mut done, result) = oneshot::channel();
    std::thread::spawn(move || {
        let result = runtime.block_on(async {
            tokio::select! {
                result = work => Some(result),
                () = done.closed() => None,
            }
        });
        result.map(|result| done.send(result))
    });
    match result.await {
        Ok(result) => result,
        // Its thread has panicked: what that means is for whoever runs the probe to say.
        Err(gone) => panic!("the handshake on a thread of its own broke off: {gone}"),
    }
}

/// What goes before the verdict on the certificates, whatever rustls made of it.
fn insists_on_fortezza(flight: &Flight) -> Option<Failure> {
    let detail = "the server takes part only with Fortezza, which nobody has any more";
    flight.is_fortezza().then(|| Failure::new(Handshake::Fortezza, detail))
}

fn describe_session(stream: &TlsStream<Wire>, seen: &mut evidence::Tls) {
    let session = stream.get_ref().1;
    seen.version = session.protocol_version().map(|version| match version {
        rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2".to_owned(),
        rustls::ProtocolVersion::TLSv1_3 => TLS13.to_owned(),
        other => format!("{other:?}"),
    });
    seen.cipher = session.negotiated_cipher_suite().map(|suite| suite_name(suite.suite()));
    seen.alpn = session.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned());
}

/// Names the failure of a handshake.
fn refine(
    error: &io::Error,
    wire: &Wire,
    verifier: &Verifier,
    client_certificate: &ClientCertificate,
    seen: &mut evidence::Tls,
    secrets: &Secrets,
) -> Failure {
    let broken = Broken::of(error);
    let Some(reason) = broken.tls else {
        return broken_off(error, &broken);
    };
    match &reason {
        rustls::Error::AlertReceived(alert) => {
            let name = alert_name(*alert);
            seen.alert = Some(name.clone());
            let fault = client_certificate.fault(*alert).unwrap_or_else(|| alert_fault(*alert, client_certificate));
            Failure::new(fault, format!("the server refused the handshake with the alert {name}"))
        }
        // Signing is the one thing that rustls asks others for and reports in this way.
        rustls::Error::General(words) if client_certificate.was_asked() => {
            Failure::new(Handshake::ClientKeyFailed, format!("the key of the client certificate did not sign: {words}"))
        }
        rustls::Error::PeerIncompatible(_) => {
            Failure::new(Handshake::NothingInCommon, format!("nothing in common: {reason}"))
        }
        rustls::Error::PeerMisbehaved(picked) if is_not_ours(picked) => {
            Failure::new(Handshake::NothingInCommon, format!("the server picked what was not offered: {reason}"))
        }
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            let record = wire.record();
            let shown = show(secrets, if begins_a_record(&record.first_bytes) { &[] } else { &record.first_bytes });
            let detail = match shown.as_str() {
                "\"\"" => "in the midst of the handshake the peer sent bytes that are no TLS record".to_owned(),
                _ => format!("the peer does not speak TLS; it began with {shown}"),
            };
            Failure::new(Handshake::NotTls, detail)
        }
        _ => {
            let record = wire.record();
            let first = &record.first_bytes;
            if !first.is_empty() && !begins_a_record(first) {
                return Failure::new(
                    Handshake::NotTls,
                    format!("the peer does not speak TLS; it began with {}", show(secrets, first)),
                );
            }
            let detail = if verifier.bad_signature.load(Ordering::Relaxed) {
                "the handshake is signed with a key that is not the certificate's".to_owned()
            } else {
                reason.to_string()
            };
            Failure::new(Handshake::Protocol, detail)
        }
    }
}

/// Whether the server picked an algorithm that the agent does not have or does not want.
const fn is_not_ours(picked: &PeerMisbehaved) -> bool {
    matches!(
        picked,
        PeerMisbehaved::SelectedUnofferedCipherSuite
            | PeerMisbehaved::SelectedUnofferedKxGroup
            | PeerMisbehaved::SelectedUnusableCipherSuiteForVersion
            | PeerMisbehaved::IllegalHelloRetryRequestWithUnofferedCipherSuite
            | PeerMisbehaved::IllegalHelloRetryRequestWithUnofferedNamedGroup
            | PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme
            | PeerMisbehaved::SignedKxWithWrongAlgorithm
    )
}

fn broken_off(error: &io::Error, broken: &Broken) -> Failure {
    let (fault, detail) = if broken.is_reset() {
        (Handshake::Reset, "the peer reset the connection during the TLS handshake".to_owned())
    } else if broken.kind == io::ErrorKind::UnexpectedEof {
        (Handshake::Closed, "the peer closed the connection during the TLS handshake".to_owned())
    } else {
        (Handshake::Other, format!("the TLS handshake failed: {}", crate::net::connect::kernel_words(error)))
    };
    Failure::new(fault, detail).with_errno(broken.errno)
}
