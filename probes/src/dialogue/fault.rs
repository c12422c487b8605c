//! What can happen to a reply, named by the step of the dialogue at which it happened.

use crate::fault::{self, Named, Side};

/// What happened to a reply.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Cause {
    /// No byte of it came in time.
    Silence,
    /// It began and was not complete in time.
    Incomplete,
    /// The peer ended the connection before its first byte.
    Closed,
    /// The peer ended the connection inside it.
    Cut,
    /// The peer reset the connection.
    Reset,
    /// The kernel reported another error.
    Broken,
    /// What came is no TLS, or an alert that ends it.
    TlsBroken,
    /// What came is no reply.
    Malformed,
    /// The reply is 421: the server shuts the service or the connection down (RFC 959, RFC 5321).
    Unavailable,
    /// The reply is 530: not without logging in, or not with this log-in (RFC 959, RFC 4954).
    NotLoggedIn,
    /// The reply says no in another way.
    Refused,
}

impl Cause {
    /// What can happen at every step.
    const ALWAYS: [Self; 8] = [
        Self::Silence,
        Self::Incomplete,
        Self::Closed,
        Self::Cut,
        Self::Reset,
        Self::Broken,
        Self::TlsBroken,
        Self::Malformed,
    ];

    /// Whether the peer said nothing that could be judged: the connection ended, or the time did.
    pub(crate) const fn is_no_answer(self) -> bool {
        matches!(self, Self::Silence | Self::Incomplete | Self::Closed | Self::Cut | Self::Reset)
    }

    /// What happened at this step, as the details of failures have it.
    pub(super) fn words(self, step: impl Step) -> String {
        let mut words = step.meaning(self).trim_end_matches('.').to_owned();
        words[..1].make_ascii_lowercase();
        words
    }

    const fn side(self) -> Side {
        match self {
            Self::Broken => Side::Path,
            Self::Silence
            | Self::Incomplete
            | Self::Closed
            | Self::Cut
            | Self::Reset
            | Self::TlsBroken
            | Self::Malformed
            | Self::Unavailable
            | Self::NotLoggedIn
            | Self::Refused => Side::Target,
        }
    }
}

/// A step of a protocol's dialogue: the greeting, or a command and its reply. Declared with `steps!`.
pub trait Step: Copy + 'static {
    /// Every step, in the order of the dialogue.
    const ALL: &'static [Self];
    /// What is heard at this step, as in `the reply to PASS`.
    fn what(self) -> &'static str;
    /// The refusals that this step tells apart.
    fn refusals(self) -> &'static [Cause];
    /// The fault's name, as in `ftp.refused.pass`.
    fn name(self, cause: Cause) -> &'static str;
    /// What happened, in a sentence.
    fn meaning(self, cause: Cause) -> &'static str;
}

/// What can go wrong in a dialogue.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Fault<S> {
    /// Below the dialogue: no connection, TLS.
    Net(fault::Fault),
    /// At a step of it.
    At(S, Cause),
}

impl<S: Step> Fault<S> {
    /// Every fault of a dialogue of these steps.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let at = |step: S| Cause::ALWAYS.iter().chain(step.refusals()).map(move |cause| Self::At(step, *cause));
        // What is said and heard has the names of the steps.
        let below = |fault: &fault::Fault| !matches!(fault, fault::Fault::Send(_) | fault::Fault::Receive(_));
        let net = fault::Fault::all().into_iter().filter(below).map(Self::Net);
        net.chain(S::ALL.iter().copied().flat_map(at)).collect()
    }
}

impl<S: Step> Named for Fault<S> {
    fn name(self) -> &'static str {
        match self {
            Self::Net(fault) => fault.name(),
            Self::At(step, cause) => step.name(cause),
        }
    }

    fn side(self) -> Side {
        match self {
            Self::Net(fault) => fault.side(),
            Self::At(_, cause) => cause.side(),
        }
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Net(fault) => fault.meaning(),
            Self::At(step, cause) => step.meaning(cause),
        }
    }
}

/// Declares the steps of a dialogue: the doc comment, then the name in faults, what is heard there, and which refusals
/// are told apart. `steps! { pub enum Step of "ftp" { #[doc] Pass = "pass", "the reply to PASS", [Refused]; } }`
macro_rules! steps {
    (
        $(#[$meta:meta])*
        $visible:vis enum $Step:ident of $protocol:literal {
            $( $(#[$doc:meta])* $Variant:ident = $name:literal, $what:literal, [$( $Refusal:ident ),*]; )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        $visible enum $Step { $( $(#[$doc])* $Variant, )+ }

        impl $crate::dialogue::Step for $Step {
            const ALL: &'static [Self] = &[ $( Self::$Variant, )+ ];

            fn what(self) -> &'static str {
                match self { $( Self::$Variant => $what, )+ }
            }

            fn refusals(self) -> &'static [$crate::dialogue::Cause] {
                match self { $( Self::$Variant => &[$( $crate::dialogue::Cause::$Refusal ),*], )+ }
            }

            fn name(self, cause: $crate::dialogue::Cause) -> &'static str {
                use $crate::dialogue::Cause;
                match self { $( Self::$Variant => match cause {
                    Cause::Silence => concat!($protocol, ".silence.", $name),
                    Cause::Incomplete => concat!($protocol, ".incomplete.", $name),
                    Cause::Closed => concat!($protocol, ".closed.", $name),
                    Cause::Cut => concat!($protocol, ".cut.", $name),
                    Cause::Reset => concat!($protocol, ".reset.", $name),
                    Cause::Broken => concat!($protocol, ".broken.", $name),
                    Cause::TlsBroken => concat!($protocol, ".tls_broken.", $name),
                    Cause::Malformed => concat!($protocol, ".malformed.", $name),
                    Cause::Unavailable => concat!($protocol, ".unavailable.", $name),
                    Cause::NotLoggedIn => concat!($protocol, ".not_logged_in.", $name),
                    Cause::Refused => concat!($protocol, ".refused.", $name),
                }, )+ }
            }

            fn meaning(self, cause: $crate::dialogue::Cause) -> &'static str {
                use $crate::dialogue::Cause;
                match self { $( Self::$Variant => match cause {
                    Cause::Silence => concat!("No byte of ", $what, " came in time."),
                    Cause::Incomplete => concat!("Not all of ", $what, " came in time."),
                    Cause::Closed => concat!("The peer ended the connection before ", $what, "."),
                    Cause::Cut => concat!("The peer ended the connection inside ", $what, "."),
                    Cause::Reset => concat!("The peer reset the connection before ", $what, " was complete."),
                    Cause::Broken => concat!("The kernel reported an error before ", $what, " was complete."),
                    Cause::TlsBroken => concat!("The peer broke TLS before ", $what, " was complete."),
                    Cause::Malformed => concat!("What came in the place of ", $what, " is no reply."),
                    Cause::Unavailable => concat!("The server shuts down: ", $what, " is 421."),
                    Cause::NotLoggedIn => concat!("The server wants a log-in, or another one: ", $what, " is 530."),
                    Cause::Refused => concat!("The server says no: ", $what, " does not lead on."),
                }, )+ }
            }
        }
    };
}
pub(crate) use steps;

#[cfg(test)]
mod tests {
    use super::*;

    steps! {
        /// For this test.
        enum Tried of "test" {
            /// The first line.
            Greeting = "greeting", "the greeting", [Unavailable];
            /// QUIT.
            Quit = "quit", "the reply to QUIT", [];
        }
    }

    #[test]
    fn every_way_to_fail_at_every_step_has_a_name() {
        let names: Vec<_> = Fault::<Tried>::all().into_iter().map(Named::name).collect();
        assert!(names.contains(&"connect.refused"));
        assert!(names.contains(&"test.silence.greeting"));
        assert!(names.contains(&"test.unavailable.greeting"));
        assert!(!names.contains(&"test.refused.quit"), "QUIT has no refusal");
        assert_eq!(Tried::Quit.meaning(Cause::Closed), "The peer ended the connection before the reply to QUIT.");
    }
}
