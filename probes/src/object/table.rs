//! The table of `cos`: every fault and its code, in the order in which an operation meets them.

#![deny(clippy::wildcard_enum_match_arm)]

use super::fault::{Answer, Fault, Mismatch, SliceSize, Source, Task};
use crate::codes::{Code, ObjectCode};
use crate::exchange::Broken;
use crate::fault::{Fault as Net, Policy};

/// What the agent says in the service's words when it compares.
const SIZE_NOT_EQUAL: &str = "ERROR_CMD_COS_FILE_SIZE_NOT_EQU";
const SHA_NOT_EQUAL: &str = "ERROR_CMD_COS_SHA_NOT_EQU";

pub(super) fn classify(fault: Fault) -> Code {
    match fault {
        Fault::Task(cause) => task(cause).into(),
        Fault::Source(Source::Unreadable | Source::Lost) => ObjectCode::SdkFileNotExists.into(),
        Fault::Source(Source::Late) => ObjectCode::SdkNetworkError.into(),
        Fault::SliceSize(SliceSize::Wanted | SliceSize::Granted) => ObjectCode::SdkIllegalSliceSize.into(),
        Fault::Net(cause) => net(cause).into(),
        Fault::Broken(cause) => broken(cause).into(),
        Fault::Answer(Answer::WithoutCode | Answer::TooLarge | Answer::Incomplete) => {
            ObjectCode::SdkNetworkError.into()
        }
        Fault::Mismatch(cause) => {
            let symbol = match cause {
                Mismatch::Size => SIZE_NOT_EQUAL,
                Mismatch::Sha => SHA_NOT_EQUAL,
            };
            Code::of_json_symbol(symbol).unwrap_or_else(|| unreachable!("the catalogue has {symbol}, as a test says"))
        }
        Fault::Said(_, code) => code,
    }
}

fn task(cause: Task) -> ObjectCode {
    match cause {
        Task::Credentials | Task::Path | Task::Root | Task::Parameter | Task::NothingToUpdate | Task::TooLarge => {
            ObjectCode::SdkParamsError
        }
    }
}

/// One number for all of it: the fault's name says which.
fn net(cause: Net) -> ObjectCode {
    match cause {
        Net::Policy(Policy::Forbidden)
        | Net::Resolve(_)
        | Net::Connect(_)
        | Net::Certificate(_)
        | Net::Handshake(_)
        | Net::Send(_)
        | Net::Receive(_)
        | Net::Shutdown(_) => ObjectCode::SdkNetworkError,
    }
}

fn broken(cause: Broken) -> ObjectCode {
    match cause {
        Broken::Malformed
        | Broken::Http2
        | Broken::TransferEncoding
        | Broken::BodyEncoding
        | Broken::NoHttp2
        | Broken::StreamReset
        | Broken::Goaway
        | Broken::BodyUnsent => ObjectCode::SdkNetworkError,
        Broken::Source => ObjectCode::SdkFileNotExists,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_says_in_the_words_of_the_service_is_in_the_catalogue() {
        let number = |cause| classify(Fault::Mismatch(cause)).number();
        assert_eq!((number(Mismatch::Size), number(Mismatch::Sha)), (-175, -174));
    }
}
