//! A task without target, made into a probe for a target that somebody asks about: what `/probe` does.
//!
//! The text of the task is kept and read again for each target, so that a probe of `/probe` is in no way another one than
//! that of a task file.

use std::ops::Range;

use super::{Probe, read_asked};
use crate::reader::{Problems, Source};
use crate::settings::Settings;
use probes::codes::Protocol;

/// A task without target.
#[derive(Clone, Debug)]
pub struct Module {
    /// What it speaks.
    pub protocol: Protocol,
    /// The text of this task alone, with the folder that its paths begin at.
    source: Source,
}

/// What somebody over the network asks a module about.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The target, as a user of `blackbox_exporter` writes it.
    pub target: String,
    /// The host to ask for there, whatever the target is called: the header `Host`, and the name in TLS.
    pub hostname: Option<String>,
}

impl Module {
    /// Cuts one task out of the text of a file.
    pub(super) fn cut(source: &Source, protocol: Protocol, span: Range<usize>) -> Self {
        let text = source.text.get(span).filter(|text| text.starts_with("[["));
        let text = text.unwrap_or(&source.text).to_owned();
        Self { protocol, source: Source { text, ..source.clone() } }
    }

    /// The probe for a target; internal addresses are judged as those of targets from the network.
    pub fn probe(&self, name: &str, asked: &Asked, settings: &Settings) -> Result<Probe, Problems> {
        let target = self.target(&asked.target);
        let asked = Asked { target, hostname: asked.hostname.clone() };
        let mut probe = read_asked(self.source.clone(), name, &asked, settings)?;
        probe.conditions.demand.from_network = true;
        Ok(probe)
    }

    /// A target as task files have it.
    fn target(&self, text: &str) -> String {
        match self.protocol {
            Protocol::Http if !has_scheme(text) => format!("http://{text}"),
            _ => text.to_owned(),
        }
    }
}

/// Schemes are written in lower case there; any other text is the host.
fn has_scheme(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}
