//! A scripted UDP peer: it hears datagrams and says some to whoever it heard last.

use std::io;
use std::net::SocketAddr;
use std::sync::PoisonError;

use tokio::net::UdpSocket;

use super::peer::Log;
use super::script::{Step, fits, from_hex};
use super::wire::{Heard, Record};

/// Plays a script on a socket; at its end, whatever comes is heard. Every datagram has a record of its own, so that
/// `connections` counts them.
pub async fn play(socket: UdpSocket, script: Vec<Step>, log: Log) {
    let mut peer = Peer { socket, log, from: None };
    for step in &script {
        match peer.perform(step).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return peer.note(&format!("{step:?}: {error}")),
        }
    }
    while peer.hear().await.is_ok() {}
}

struct Peer {
    socket: UdpSocket,
    log: Log,
    /// Who is spoken to.
    from: Option<SocketAddr>,
}

impl Peer {
    /// One step; `false` when the port is closed from now on.
    async fn perform(&mut self, step: &Step) -> io::Result<bool> {
        match step {
            Step::Hear(pattern) => {
                let heard = self.hear().await?;
                let heard = String::from_utf8_lossy(&heard);
                if !fits(pattern, &heard) {
                    return Err(io::Error::other(format!("heard {heard:?}")));
                }
            }
            Step::Say(text) => self.say(text.as_bytes()).await?,
            Step::SayHex(hex) => self.say(&from_hex(hex)?).await?,
            // One datagram of it.
            Step::SayRepeated { text, times } => {
                let times = times.unwrap_or(1).try_into().map_err(io::Error::other)?;
                self.say(text.repeat(times).as_bytes()).await?;
            }
            Step::Drip { text, every } => loop {
                self.say(text.as_bytes()).await?;
                tokio::time::sleep(every.0).await;
            },
            Step::Wait(span) => tokio::time::sleep(span.0).await,
            Step::Close => return Ok(false),
            Step::Hold => std::future::pending().await,
            _ => return Err(io::Error::other("this is no step for datagrams")),
        }
        Ok(true)
    }

    async fn hear(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 65_535];
        let (length, from) = self.socket.recv_from(&mut buffer).await?;
        buffer.truncate(length);
        self.from = Some(from);
        let heard = Heard { bytes: buffer.clone(), trouble: None };
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push(Record::new(heard.into()));
        Ok(buffer)
    }

    async fn say(&self, bytes: &[u8]) -> io::Result<()> {
        let to = self.from.ok_or_else(|| io::Error::other("nobody was heard yet"))?;
        // What the other side does not take any more is none of the script's business.
        let _ = self.socket.send_to(bytes, to).await;
        Ok(())
    }

    fn note(&self, trouble: &str) {
        let record = Record::default();
        record.lock().unwrap_or_else(PoisonError::into_inner).trouble = Some(trouble.to_owned());
        self.log.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}
