//! Transfers over FTP, in the order of the conversation (RFC 959, RFC 4217, RFC 3659): greeting, AUTH TLS, USER, PASS, PBSZ,
//! PROT, CWD, TYPE I, the lookup, EPSV or PASV, RETR or STOR, the data, the reply after them.
//!
//! The lookup says whether a file is there before it is asked for: SIZE, else MLST where FEAT has it, else LIST of the
//! directory. Servers that know SIZE are asked nothing else.

use std::sync::Arc;
use std::time::Duration;

use super::fault::{Content, Fault, Leg, Lookup};
use super::hop::LONGEST_LOOKUP;
use super::listing::Listing;
use super::place::{FtpPlace, PORT};
use super::sink::Sink;
use super::supply::{Supply, hex};
use super::{Download, Transfer, Work, fails};
use crate::dialogue::{self, Cause, Command};
use crate::fault::Failure;
use crate::ftp_control::{self, Control, Encryption, Manners, Server, Size, Step, Stopped, Type};
use crate::net::Attempt;

/// What happens on the way to the control connection is no different from the way to a web server.
fn ftp(failure: Failure<ftp_control::Fault>) -> Failure<Fault> {
    failure.map(|cause| match cause {
        ftp_control::Fault::Control(dialogue::Fault::Net(cause)) => Fault::Net(Leg::First, cause),
        other => Fault::Ftp(other),
    })
}

impl Transfer {
    pub(super) async fn over_ftp(
        &self,
        attempt: &mut Attempt<'_>,
        place: &FtpPlace,
        supply: Option<Supply>,
    ) -> Result<(), Failure<Fault>> {
        let server = self.server(attempt, place)?;
        let found = attempt.resolve_within(&server.endpoint, LONGEST_LOOKUP).await;
        let addresses = found.map_err(|failure| failure.map(|cause| Fault::Net(Leg::First, cause)))?;
        let manners = Manners { epsv: self.ftp.epsv, patience: Some(self.response_timeout) };
        let mut control = Control::open_at(attempt, &server, &addresses, manners).await.map_err(ftp)?;
        if let Some(login) = &self.login {
            let login = ftp_control::Login {
                username: login.username.clone(),
                password: login.password.clone(),
                account: login.account.clone(),
            };
            control.log_in(attempt, &login).await.map_err(ftp)?;
        }
        control.protect(attempt).await.map_err(ftp)?;
        if let Some(directory) = &place.directory {
            control.change_directory(attempt, directory).await.map_err(ftp)?;
        }
        control.set_type(attempt, Type::Image).await.map_err(ftp)?;
        match (&self.work, supply) {
            (Work::Download(download), _) => self.retrieve(attempt, &mut control, place, download).await,
            (Work::Upload(_), Some(supply)) => self.store(attempt, &mut control, place, supply).await,
            (Work::Upload(_), None) => Ok(()),
        }?;
        control.quit(attempt).await;
        control.end_tls(attempt).await.map_err(ftp)
    }

    fn server(&self, attempt: &Attempt<'_>, place: &FtpPlace) -> Result<Server, Failure<Fault>> {
        let mut endpoint = place.endpoint.clone();
        let encryption = match (self.ftp.explicit, place.implicit) {
            (true, _) => Encryption::Explicit,
            (false, true) => Encryption::Implicit,
            (false, false) => Encryption::None,
        };
        // Where the URL has no port, it is that of the way TLS comes about.
        if self.ftp.explicit && !place.has_port {
            endpoint.port = PORT;
        }
        let tls = match encryption {
            Encryption::None => Arc::default(),
            Encryption::Explicit | Encryption::Implicit => self.tls(attempt)?.clone(),
        };
        Ok(Server { endpoint, encryption, tls })
    }

    async fn retrieve(
        &self,
        attempt: &mut Attempt<'_>,
        control: &mut Control,
        place: &FtpPlace,
        download: &Download,
    ) -> Result<(), Failure<Fault>> {
        let (step, command, size) = if place.name.is_empty() {
            (Step::List, Command::new("LIST"), None)
        } else {
            let size = look_up(attempt, control, &place.name).await?;
            (Step::Retr, Command::with("RETR", &place.name), size)
        };
        self.progress.begin(size);
        let mut sink = Sink::new(download, self.progress.clone(), None);
        let received = control.receive(attempt, step, &command, &mut sink).await;
        attempt.evidence.transfer = Some(sink.figures());
        let received = received.map_err(|stopped| match stopped {
            Stopped::Ftp(failure) => ftp(failure),
            Stopped::Sink(failure) => failure,
        })?;
        let promised = size.into_iter().chain(download.size).min();
        if let Some(promised) = promised.filter(|promised| received < *promised) {
            return fails(Content::Short, format!("the file ended after {received} of at least {promised} bytes"));
        }
        let Some(kept) = attempt.within(sink.finish()).await else {
            return fails(Content::Unwritten, "what came was not written to its end in time");
        };
        let kept = kept?;
        attempt.evidence.md5 = Some(hex(&kept.md5));
        self.verify_md5(&kept.md5)
    }

    async fn store(
        &self,
        attempt: &mut Attempt<'_>,
        control: &mut Control,
        place: &FtpPlace,
        supply: Supply,
    ) -> Result<(), Failure<Fault>> {
        let begun = attempt.elapsed();
        let (_, mut pieces) = supply.stream(self.progress.clone());
        let command = Command::with("STOR", &place.name);
        let sent = control.send(attempt, &command, &mut pieces).await.map_err(ftp)?;
        let took: Duration = attempt.elapsed().saturating_sub(begun);
        attempt.evidence.transfer = Some(crate::evidence::Transfer::new(sent, took, Vec::new(), None));
        Ok(())
    }
}

/// Looks for a file, and says how large it is if the server knows.
async fn look_up(attempt: &mut Attempt<'_>, control: &mut Control, name: &[u8]) -> Result<Option<u64>, Failure<Fault>> {
    if let Size::Of(size) = control.size(attempt, name).await.map_err(ftp)? {
        return Ok(size);
    }
    let there = if control.has_feature(attempt, "MLST").await.map_err(ftp)? {
        control.is_there(attempt, name).await.map_err(ftp)?
    } else {
        None
    };
    let there = match there {
        Some(there) => there,
        None => is_listed(attempt, control, name).await?,
    };
    let absent = || {
        fails(Lookup::Absent, format!("the server has no file `{}` in this directory", String::from_utf8_lossy(name)))
    };
    if there { Ok(None) } else { absent() }
}

/// Looks for a name in the listing of the directory.
async fn is_listed(attempt: &mut Attempt<'_>, control: &mut Control, name: &[u8]) -> Result<bool, Failure<Fault>> {
    let mut listing = Listing::of(name);
    match control.list(attempt, &mut listing).await {
        Ok(_) => Ok(listing.is_found()),
        Err(Stopped::Ftp(failure)) if is_refused(failure.fault) => {
            let name = String::from_utf8_lossy(name);
            let detail = format!("whether `{name}` is there cannot be known: {}", failure.detail);
            fails(Lookup::Failed, detail)
        }
        Err(Stopped::Ftp(failure)) => Err(ftp(failure)),
        Err(Stopped::Sink(never)) => match never {},
    }
}

/// Whether the server would not list, or gave it up.
fn is_refused(fault: ftp_control::Fault) -> bool {
    let refused = |step| ftp_control::Fault::Control(dialogue::Fault::At(step, Cause::Refused));
    fault == refused(Step::List) || fault == refused(Step::Completion)
}
