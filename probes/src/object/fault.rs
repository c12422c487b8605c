//! What can go wrong with an operation on an object store, in the order of looking: the task, the source, the size of
//! slices, the way to the service, and what the service says.

use crate::codes::{Code, Layer};
use crate::exchange::{self, Broken};
use crate::fault::{self, Failure, Named, Side, faults};

faults! {
    /// What is wrong with the parameters of the task, before anything is sent.
    pub enum Task {
        /// The task lacks its `appid`, `secret_id` or `secret_key`.
        Credentials = "object.credentials.missing", Task;
        /// The path does not begin with a slash, has a character or an empty segment that no path may have, or ends as this operation's may not.
        Path = "object.path.invalid", Task;
        /// The root of the bucket can be neither changed nor moved nor deleted.
        Root = "object.path.root", Task;
        /// The number, pattern or order of a listing, or the authority, is none that the service knows.
        Parameter = "object.parameter.invalid", Task;
        /// The update names nothing to be changed.
        NothingToUpdate = "object.update.nothing", Task;
        /// The source is too large for a simple upload.
        TooLarge = "object.source.too_large", Task;
    }
}

faults! {
    /// What is wrong with the local file that is to be uploaded.
    pub enum Source {
        /// The source is missing, is no regular file, or cannot be read.
        Unreadable = "object.source.unreadable", Task;
        /// The source was not read to its end in time.
        Late = "object.source.timeout", Agent;
        /// The source could be read at first, and later not to its end.
        Lost = "object.source.lost", Task;
    }
}

faults! {
    /// What is wrong with the size of slices.
    pub enum SliceSize {
        /// The task wants slices of a size that is none of the four.
        Wanted = "object.slice_size.wanted", Task;
        /// The service grants slices of a size that cannot be.
        Granted = "object.slice_size.granted", Target;
    }
}

faults! {
    /// Why an answer is none.
    pub enum Answer {
        /// The answer has no JSON code, and its status is none that the service has.
        WithoutCode = "object.answer_without_code", Target;
        /// The answer is larger than any of the service, and its status is none that the service has.
        TooLarge = "object.answer_too_large", Target;
        /// The answer says that all is well and lacks the data that the operation needs.
        Incomplete = "object.answer_incomplete", Target;
    }
}

faults! {
    /// What came back of an object is not what was sent.
    pub enum Mismatch {
        /// Its size is another one.
        Size = "object.mismatch.size", Target;
        /// Its SHA-1 is another one.
        Sha = "object.mismatch.sha1", Target;
    }
}

/// What can go wrong with an operation on an object store.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// In the parameters of the task.
    Task(Task),
    /// In the local file.
    Source(Source),
    /// In the size of slices.
    SliceSize(SliceSize),
    /// On the way to the service, or below HTTP.
    Net(fault::Fault),
    /// In the exchange of messages.
    Broken(Broken),
    /// In the answer.
    Answer(Answer),
    /// In what came back.
    Mismatch(Mismatch),
    /// The service says so itself, and it is the code.
    Said(Layer, Code),
}

impl Fault {
    /// Every fault of an object store.
    pub(super) fn all() -> Vec<Self> {
        let mut all: Vec<Self> = Task::ALL.iter().copied().map(Self::Task).collect();
        all.extend(Source::ALL.iter().copied().map(Self::Source));
        all.extend(SliceSize::ALL.iter().copied().map(Self::SliceSize));
        // Nobody asks an object store for the end of TLS.
        let met = |fault: &fault::Fault| !matches!(fault, fault::Fault::Shutdown(_));
        all.extend(fault::Fault::all().into_iter().filter(met).map(Self::Net));
        // The source that an exchange knows is the local file; bodies are not decoded, and HTTP/2 is not spoken.
        let met = |broken: &Broken| match broken {
            Broken::Malformed | Broken::Http2 | Broken::TransferEncoding | Broken::BodyUnsent => true,
            Broken::BodyEncoding | Broken::Source | Broken::NoHttp2 | Broken::StreamReset | Broken::Goaway => false,
        };
        all.extend(Broken::ALL.iter().copied().filter(met).map(Self::Broken));
        all.extend(Answer::ALL.iter().copied().map(Self::Answer));
        all.extend(Mismatch::ALL.iter().copied().map(Self::Mismatch));
        let said = [Layer::Json, Layer::Http, Layer::Download];
        all.extend(said.map(|layer| Self::Said(layer, Code::of_json(i32::MAX, ""))));
        all
    }

    /// Whether nothing was sent to the service yet.
    pub(super) const fn is_before_sending(self) -> bool {
        use fault::Fault::{Certificate, Connect, Handshake, Policy, Receive, Resolve, Send, Shutdown};
        match self {
            Self::Task(_)
            | Self::Source(Source::Unreadable | Source::Late)
            | Self::SliceSize(_)
            | Self::Net(Policy(_) | Resolve(_) | Connect(_) | Certificate(_) | Handshake(_)) => true,
            Self::Source(Source::Lost)
            | Self::Net(Send(_) | Receive(_) | Shutdown(_))
            | Self::Broken(_)
            | Self::Answer(_)
            | Self::Mismatch(_)
            | Self::Said(..) => false,
        }
    }

    /// Whether the service gave no answer at all.
    pub(super) const fn is_no_answer(self) -> bool {
        match self {
            Self::Net(_) | Self::Broken(_) => true,
            Self::Task(_)
            | Self::Source(_)
            | Self::SliceSize(_)
            | Self::Answer(_)
            | Self::Mismatch(_)
            | Self::Said(..) => false,
        }
    }
}

impl From<exchange::Fault> for Fault {
    fn from(cause: exchange::Fault) -> Self {
        match cause {
            exchange::Fault::Broken(Broken::Source) => Self::Source(Source::Lost),
            exchange::Fault::Broken(broken) => Self::Broken(broken),
            exchange::Fault::Net(fault) => Self::Net(fault),
        }
    }
}

impl From<fault::Fault> for Fault {
    fn from(cause: fault::Fault) -> Self {
        Self::Net(cause)
    }
}

macro_rules! into_fault {
    ($($List:ident),+) => { $( impl From<$List> for Fault {
        fn from(cause: $List) -> Self { Self::$List(cause) }
    } )+ };
}
into_fault!(Task, Source, SliceSize, Answer, Mismatch);

/// A failure that ends the run.
pub(super) fn fails<T>(fault: impl Into<Fault>, detail: impl Into<String>) -> Result<T, Failure<Fault>> {
    Err(Failure::new(fault, detail))
}

macro_rules! by_parts {
    ($fault:expr, $question:ident, $said:expr) => {
        match $fault {
            Self::Task(fault) => fault.$question(),
            Self::Source(fault) => fault.$question(),
            Self::SliceSize(fault) => fault.$question(),
            Self::Net(fault) => fault.$question(),
            Self::Broken(fault) => fault.$question(),
            Self::Answer(fault) => fault.$question(),
            Self::Mismatch(fault) => fault.$question(),
            Self::Said(layer, _) => $said(layer),
        }
    };
}

impl Named for Fault {
    fn name(self) -> &'static str {
        by_parts!(self, name, |layer| match layer {
            Layer::Json => "object.code",
            Layer::Http => "object.status",
            Layer::Download => "object.download",
        })
    }

    fn side(self) -> Side {
        by_parts!(self, side, |_| Side::Target)
    }

    fn meaning(self) -> &'static str {
        by_parts!(self, meaning, |layer| match layer {
            Layer::Json => "The service answered with a JSON code other than 0, and it is the code.",
            Layer::Http => "The answer has no JSON code; its status is one that the service has, and it is the code.",
            Layer::Download => "The download host did not deliver; its status, or the number beside it, is the code.",
        })
    }
}
