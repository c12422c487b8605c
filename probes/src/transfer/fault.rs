//! What can go wrong in a transfer. The leg is part of it: the same trouble behind a redirect is another fault.

use std::collections::HashMap;
use std::sync::OnceLock;

use http::StatusCode;

use crate::dialogue;
use crate::exchange::Broken;
use crate::fault::{self, Local, Named, Side, faults};
use crate::ftp_control;

faults! {
    /// What is wrong with the task, before anything is sent to the target.
    pub enum Task {
        /// The target does not parse as a URL, names no host, or names one that cannot be.
        UrlInvalid = "transfer.url.invalid", Task;
        /// The target is a URL whose scheme is none of http, https, ftp and ftps.
        SchemeUnknown = "transfer.url.scheme", Task;
        /// The scheme is one of the four, and none that this task takes.
        SchemeNotTaken = "transfer.url.not_taken", Task;
        /// The source of the upload is missing or cannot be read.
        SourceUnreadable = "transfer.source.unreadable", Task;
        /// The source of the upload is a URL and cannot be fetched.
        SourceUnfetched = "transfer.source.unfetched", Task;
        /// The MD5 of the source is not the one that the task names.
        SourceMd5 = "transfer.source.md5", Task;
    }
}

faults! {
    /// Why a redirect is not followed.
    pub enum Redirect {
        /// The response is a redirect, and the task forbids to follow any.
        Forbidden = "http.redirect.forbidden", Task;
        /// A redirect has no Location, or one that is no http or https URL.
        Unusable = "http.redirect.unusable", Target;
        /// The request had a body, which may not be sent elsewhere without asking (RFC 2616 section 10.3).
        WithBody = "http.redirect.with_body", Target;
        /// There are more than ten redirects.
        TooMany = "http.redirect.too_many", Target;
        /// A redirect leads from https to http.
        Insecure = "http.redirect.insecure", Target;
    }
}

faults! {
    /// What is wrong with what was transferred.
    pub enum Content {
        /// Everything was sent and acknowledged, and no byte of a response came in time.
        Unanswered = "transfer.upload.unanswered", Target;
        /// The body ended in order, with fewer bytes than were promised.
        Short = "transfer.short", Target;
        /// The response is complete and has no byte of body.
        Empty = "transfer.empty", Target;
        /// A part of the body is another one than was asked for.
        Range = "transfer.range", Target;
        /// No header line of the final response has the text of the task in it.
        Header = "transfer.header", Target;
        /// The MD5 of what was downloaded is not the one of the task.
        Md5 = "transfer.md5", Target;
        /// What came could not be written to the file of the task.
        Unwritten = "transfer.unwritten", Agent;
    }
}

faults! {
    /// What FTP says of the file.
    pub enum Lookup {
        /// The server was asked in a way that it answers, and the file is not there.
        Absent = "transfer.ftp.absent", Target;
        /// Whether the file is there cannot be known: the server knows neither SIZE nor MLST and refuses LIST.
        Failed = "transfer.ftp.lookup_failed", Target;
    }
}

/// Which hop of a chain of redirects.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Leg {
    /// The first one.
    First,
    /// A later one.
    Later,
    /// One that came from http by a redirect to https.
    Upgraded,
}

impl Leg {
    const ALL: [Self; 3] = [Self::First, Self::Later, Self::Upgraded];
}

/// What can go wrong in a transfer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault {
    /// In the task itself.
    Task(Task),
    /// TLS cannot be set up on this host as the task wants it.
    Local(Local),
    /// On the way to a web server, or below HTTP.
    Net(Leg, fault::Fault),
    /// The request could not be sent over TLS that was up.
    Unsent(Unsent),
    /// In the exchange of messages.
    Broken(Broken),
    /// At a redirect.
    Redirect(Redirect),
    /// The final status is the code.
    Status(u16),
    /// In what was transferred.
    Content(Content),
    /// In the lookup of an FTP file.
    Lookup(Lookup),
    /// In a conversation with an FTP server.
    Ftp(ftp_control::Fault),
}

faults! {
    /// Why a request could not be sent over TLS that was up.
    pub enum Unsent {
        /// What was sent over TLS was not taken or acknowledged in time.
        TimedOut = "send.tls.timeout", Path;
        /// The kernel reported another error while sending over TLS.
        Other = "send.tls.other", Path;
    }
}

impl Fault {
    /// Every fault of a transfer.
    pub(super) fn all() -> Vec<Self> {
        let mut all: Vec<Self> = Task::ALL.iter().copied().map(Self::Task).collect();
        all.extend(Local::ALL.iter().copied().map(Self::Local));
        for leg in Leg::ALL {
            // Once a connection is up it makes no difference which hop it is of.
            let told = |cause: &fault::Fault| {
                use fault::Fault::{Receive, Send, Shutdown};
                leg == Leg::First || !matches!(cause, Send(_) | Receive(_) | Shutdown(_))
            };
            all.extend(fault::Fault::all().into_iter().filter(told).map(|cause| Self::Net(leg, cause)));
        }
        all.extend(Unsent::ALL.iter().copied().map(Self::Unsent));
        all.extend(Broken::ALL.iter().copied().map(Self::Broken));
        all.extend(Redirect::ALL.iter().copied().map(Self::Redirect));
        all.push(Self::Status(StatusCode::NOT_FOUND.as_u16()));
        all.extend(Content::ALL.iter().copied().map(Self::Content));
        all.extend(Lookup::ALL.iter().copied().map(Self::Lookup));
        // What happens on the way to the control connection is no different from the way to a web server.
        let talked =
            |fault: &ftp_control::Fault| !matches!(fault, ftp_control::Fault::Control(dialogue::Fault::Net(_)));
        all.extend(ftp_control::Fault::all().into_iter().filter(talked).map(Self::Ftp));
        all
    }
}

impl Named for Fault {
    fn name(self) -> &'static str {
        match self {
            Self::Task(fault) => fault.name(),
            Self::Local(fault) => fault.name(),
            Self::Net(Leg::First, fault) => fault.name(),
            Self::Net(leg, fault) => behind(leg, fault),
            Self::Unsent(fault) => fault.name(),
            Self::Broken(fault) => fault.name(),
            Self::Redirect(fault) => fault.name(),
            Self::Status(_) => "http.status",
            Self::Content(fault) => fault.name(),
            Self::Lookup(fault) => fault.name(),
            Self::Ftp(fault) => fault.name(),
        }
    }

    fn side(self) -> Side {
        match self {
            Self::Task(fault) => fault.side(),
            Self::Local(fault) => fault.side(),
            Self::Net(_, fault) => fault.side(),
            Self::Unsent(fault) => fault.side(),
            Self::Broken(fault) => fault.side(),
            Self::Redirect(fault) => fault.side(),
            Self::Status(_) => Side::Target,
            Self::Content(fault) => fault.side(),
            Self::Lookup(fault) => fault.side(),
            Self::Ftp(fault) => fault.side(),
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Task(fault) => fault.meaning(),
            Self::Local(fault) => fault.meaning(),
            Self::Net(_, fault) => fault.meaning(),
            Self::Unsent(fault) => fault.meaning(),
            Self::Broken(fault) => fault.meaning(),
            Self::Redirect(fault) => fault.meaning(),
            Self::Status(_) => "The final status is none of success, and it is the code.",
            Self::Content(fault) => fault.meaning(),
            Self::Lookup(fault) => fault.meaning(),
            Self::Ftp(fault) => fault.meaning(),
        }
    }
}

macro_rules! into_fault {
    ($($List:ident),+) => { $( impl From<$List> for Fault {
        fn from(cause: $List) -> Self { Self::$List(cause) }
    } )+ };
}
into_fault!(Task, Redirect, Content, Lookup, Unsent, Broken);

/// The names of the faults of later hops.
fn behind(leg: Leg, fault: fault::Fault) -> &'static str {
    static NAMES: OnceLock<HashMap<(Leg, fault::Fault), String>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        let named = |leg: Leg, fault: fault::Fault| match leg {
            Leg::Upgraded => format!("upgrade.{}", fault.name()),
            Leg::First | Leg::Later => format!("redirect.{}", fault.name()),
        };
        let of_leg = |leg: Leg| fault::Fault::all().into_iter().map(move |fault| ((leg, fault), named(leg, fault)));
        Leg::ALL.into_iter().flat_map(of_leg).collect()
    });
    &names[&(leg, fault)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_given_once() {
        let mut names: Vec<_> = Fault::all().into_iter().map(Named::name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
