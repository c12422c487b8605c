//! FTP: log in, and list a directory or fetch a file, in passive mode; book `cloudmonitor/ftp`.
//!
//! The order of looking is that of the conversation ([`crate::ftp_control`]): policy, name, connection, TLS, greeting, AUTH TLS,
//! USER, PASS, ACCT; PBSZ, PROT, CWD, TYPE I, SIZE, EPSV or PASV, the data connection, RETR or LIST, the data, the reply
//! after them, and last whether as many bytes came as SIZE had said (RFC 959, RFC 2428, RFC 3659, RFC 4217). A path that
//! ends in `/` is a directory; any other one is a file if SIZE knows it, a directory if CWD enters it, and otherwise a
//! file again, so that RETR says what is wrong. All data are read, none is kept, and the run's deadline bounds them.

mod table;

use crate::check::Check;
use crate::codes::{Code, Protocol};
use crate::dialogue::Command;
use crate::fault::Failure;
use crate::ftp_control::{Control, Data, Fault, Login, Server, Size, Step, Stopped, Type, Uncounted};
use crate::net::Attempt;

/// Where to log in, as whom, and what to fetch there.
#[derive(Clone, Debug)]
pub struct Ftp {
    /// The server.
    pub server: Server,
    /// Who logs in.
    pub login: Login,
    /// What to list or to fetch.
    pub path: Path,
}

/// A directory and a name in it. Without a directory it is the one that the log-in leads to; without a name the
/// directory is listed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Path {
    directory: Option<String>,
    name: Option<String>,
}

impl Path {
    /// Reads a path as the server will: what stands behind the last slash is the name, and a slash in front is the root.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (directory, name) = match text.rsplit_once('/') {
            Some((parent, name)) if parent.trim_end_matches('/').is_empty() => (Some("/"), name),
            Some((parent, name)) => (Some(parent.trim_end_matches('/')), name),
            None => (None, text),
        };
        Self { directory: directory.map(str::to_owned), name: (!name.is_empty()).then(|| name.to_owned()) }
    }
}

impl Check for Ftp {
    type Fault = Fault;

    const PROTOCOL: Protocol = Protocol::Ftp;

    async fn run(&self, attempt: &mut Attempt<'_>) -> Result<Code, Failure<Fault>> {
        let mut control = Control::open(attempt, &self.server).await?;
        control.log_in(attempt, &self.login).await?;
        control.protect(attempt).await?;
        if let Some(directory) = &self.path.directory {
            control.change_directory(attempt, directory.as_bytes()).await?;
        }
        match &self.path.name {
            Some(name) => fetch(&mut control, attempt, name).await?,
            None => list(&mut control, attempt).await?,
        }
        control.quit(attempt).await;
        Ok(Code::success())
    }

    fn classify(fault: Fault) -> Option<Code> {
        Some(table::classify(fault).into())
    }

    fn faults() -> Vec<Fault> {
        Fault::all()
    }
}

async fn list(control: &mut Control, attempt: &mut Attempt<'_>) -> Result<(), Failure<Fault>> {
    receive(control, attempt, Step::List, &Command::new("LIST")).await?;
    Ok(())
}

/// Counts the data of a command.
async fn receive(
    control: &mut Control,
    attempt: &mut Attempt<'_>,
    step: Step,
    command: &Command,
) -> Result<u64, Failure<Fault>> {
    control.receive(attempt, step, command, &mut Uncounted).await.map_err(|stopped| match stopped {
        Stopped::Ftp(failure) => failure,
        Stopped::Sink(never) => match never {},
    })
}

/// Fetches a file, or lists the directory that turns out to have the name.
async fn fetch(control: &mut Control, attempt: &mut Attempt<'_>, name: &str) -> Result<(), Failure<Fault>> {
    control.set_type(attempt, Type::Image).await?;
    let size = match control.size(attempt, name.as_bytes()).await? {
        Size::Of(size) => size,
        Size::Unknown if control.enters_directory(attempt, name.as_bytes()).await? => {
            control.set_type(attempt, Type::Ascii).await?;
            return list(control, attempt).await;
        }
        Size::Unknown => None,
    };
    let count = receive(control, attempt, Step::Retr, &Command::new(format!("RETR {name}"))).await?;
    match size {
        Some(size) if count < size => {
            let size =
                if size == u64::MAX { "more bytes than can be counted".to_owned() } else { format!("{size} bytes") };
            let detail = format!("SIZE had said {size}, and {count} came");
            Err(Failure { fault: Fault::Data(Data::Short), detail, errno: None })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_directory_and_a_name() {
        let rows = [
            ("", None, None),
            ("/", Some("/"), None),
            ("//", Some("/"), None),
            ("file", None, Some("file")),
            ("/file", Some("/"), Some("file")),
            ("dir/", Some("dir"), None),
            ("/dir/sub/", Some("/dir/sub"), None),
            ("dir//file", Some("dir"), Some("file")),
            ("/dir/a file", Some("/dir"), Some("a file")),
        ];
        for (text, directory, name) in rows {
            let path = Path::new(text);
            assert_eq!((path.directory.as_deref(), path.name.as_deref()), (directory, name), "{text:?}");
        }
    }
}
