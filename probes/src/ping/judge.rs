//! What a series means, once it is over: pure.

use std::net::IpAddr;
use std::time::Duration;

use super::figures::errno;
use super::{Fault, Limit, Ping, Refused, Silent, errors};
use crate::codes::Code;
use crate::evidence::Echoes;
use crate::fault::Failure;
use crate::net::icmp::{Fate, Tally};

impl Ping {
    /// The verdict: replies, then nothing sent, then errors only, then silence.
    /// `cut` is how long the last one was waited for, if the end of the run cut that short.
    pub(super) fn judge(
        &self,
        target: IpAddr,
        tally: &Tally,
        echoes: &Echoes,
        cut: Option<Duration>,
    ) -> Result<Code, Failure<Fault>> {
        if echoes.received > 0 {
            return self.judge_loss(target, echoes);
        }
        let refusals: Vec<_> = tally.fates.iter().filter_map(refused).collect();
        if echoes.sent == 0 && echoes.unsent > 0 {
            return Err(unsent(target, tally));
        }
        if echoes.sent > 0 && refusals.len() == echoes.sent {
            return Err(all_refused(target, echoes, &refusals));
        }
        Err(self.silence(target, echoes, refusals.len(), cut))
    }

    fn judge_loss(&self, target: IpAddr, echoes: &Echoes) -> Result<Code, Failure<Fault>> {
        if echoes.loss > self.max_loss {
            let detail = format!("{} from {target}, and max_loss is {}", lost(echoes), percent(self.max_loss));
            return Err(Failure::new(Fault::Limit(Limit::Loss), detail));
        }
        Ok(Code::success())
    }

    /// What a successful run has to say about its loss.
    pub(super) fn warning(&self, echoes: &Echoes) -> Option<String> {
        let limit = self.warn_loss.filter(|limit| echoes.loss > *limit)?;
        Some(format!("{}, more than warn_loss ({})", lost(echoes), percent(limit)))
    }

    fn silence(&self, target: IpAddr, echoes: &Echoes, refused: usize, cut: Option<Duration>) -> Failure<Fault> {
        let others = echoes.other_addresses.values().sum::<u32>();
        let fault = match (echoes.corrupted, others, echoes.late) {
            (1.., ..) => Silent::Corrupted,
            (0, 1.., _) => Silent::OtherAddress,
            (0, 0, 1..) => Silent::Late,
            (0, 0, 0) if refused > 0 => Silent::SomeRefused,
            (0, 0, 0) => Silent::NoReply,
        };
        let all = echoes.sent + echoes.unsent;
        let mut detail = format!("none of {all} requests got a reply from {target}");
        match cut.map(|waited| waited.as_millis()) {
            None => detail.push_str(&format!(" within {:?}", self.wait)),
            Some(waited) => detail.push_str(&format!("; the run ended {waited} ms after the last one")),
        }
        let counts = [
            (echoes.unsent, "could not be sent"),
            (refused, "drew an ICMP error"),
            (echoes.corrupted as usize, "came back with other data or with a wrong checksum"),
            (others as usize, "came from another address"),
            (echoes.late as usize, "came too late"),
        ];
        for (count, words) in counts.iter().filter(|(count, _)| *count > 0) {
            detail.push_str(&format!("; {count} {words}"));
        }
        Failure::new(Fault::Silent(fault), detail)
    }
}

fn unsent(target: IpAddr, tally: &Tally) -> Failure<Fault> {
    let last = tally.fates.iter().rev().find_map(errno).unwrap_or_default();
    let words = crate::net::connect::kernel_words(&std::io::Error::from_raw_os_error(last));
    let detail = format!("none of {} requests to {target} could be sent: {words}", tally.fates.len());
    Failure::new(Fault::Unsent(errors::unsent(last)), detail).with_errno(Some(last))
}

fn all_refused(target: IpAddr, echoes: &Echoes, refusals: &[(Refused, String)]) -> Failure<Fault> {
    let (first, words) = &refusals[0];
    let same = refusals.iter().all(|(cause, _)| cause == first);
    let fault = if same { *first } else { Refused::Several };
    let detail = format!("each of {} requests to {target} drew an ICMP error, the first one {words}", echoes.sent);
    Failure::new(Fault::Refused(fault), detail)
}

fn refused(fate: &Fate) -> Option<(Refused, String)> {
    match fate {
        Fate::Refused(refusal) => {
            let name = errors::name(refusal);
            let mtu = refusal.mtu.map(|mtu| format!(", MTU {mtu}")).unwrap_or_default();
            let words = format!("{name} (type {} code {}{mtu}) from {}", refusal.kind, refusal.code, refusal.from);
            Some((errors::cause(refusal), words))
        }
        Fate::Open | Fate::Answered(_) | Fate::Unsent(_) => None,
    }
}

fn lost(echoes: &Echoes) -> String {
    let all = echoes.sent + echoes.unsent;
    format!("{} of {all} requests got no reply ({})", all - echoes.received, percent(echoes.loss))
}

fn percent(share: f64) -> String {
    format!("{} %", (share * 10_000.0).round() / 100.0)
}
