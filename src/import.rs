//! Modules of `blackbox_exporter` as tasks: its YAML in, a task file out.
//!
//! Every option gets its counterpart; one without any stops the import with its line. What no option says and the agent
//! does otherwise stands as a comment above the task.

mod dns;
mod http;
mod icmp;
mod network;
mod node;
mod tcp;
mod tls;
mod written;

use std::path::Path;

use saphyr::{LoadableYamlNode as _, MarkedYaml};

use crate::reader::{Source, printable};
use crate::settings::Settings;
use crate::task;
use node::{Map, Stops};
use written::Written;

/// What stands above all tasks.
const HEAD: &str = "\
# Modules of blackbox_exporter as tasks without a target: `/probe?module=NAME&target=…` probes in their way.
#
# Targets that come over the network are denied internal addresses: loopback, private networks, link-local ones and all
# else that is not globally reachable. A Prometheus that has such targets needs in the settings, config/agent.toml:
#
#   [policy]
#   internal = \"allow\"
#
# It opens: whoever can ask /probe then reaches, from this host, every address that this host reaches, the metadata service
# of a cloud included. `deny` takes addresses out again, and `allow` lets single ones in without it:
#
#   [policy]
#   allow = [\"10.1.0.0/16:443\"]
#
# Unlike blackbox_exporter the agent tries up to four addresses of a name, one after the other, and names the code of a
# failure in probe_error_code.
";

/// Turns a file of `blackbox_exporter` into a task file. Otherwise: what has no counterpart, each with its line.
pub fn read(name: &str, folder: &Path, text: &str) -> Result<String, Vec<String>> {
    let stops = Stops::default();
    let written = read_document(text, folder, &stops);
    let place = |(line, why): (usize, String)| printable(&format!("{name}:{line}: {why}"));
    let found = stops.into_all();
    if !found.is_empty() {
        return Err(found.into_iter().map(place).collect());
    }
    let mut file = HEAD.to_owned();
    for (line, module) in written {
        // Files may lie on another machine; all else can be tried here.
        let trial = Source::inline(name, module.text(false));
        if let Err(problems) = task::read(trial, &Settings::default()) {
            let why = problems.0.iter().map(|problem| format!("{name}:{line}: module `{}`: {problem}", module.name()));
            return Err(why.collect());
        }
        file.push('\n');
        file.push_str(&module.text(true));
    }
    Ok(file)
}

/// Every module of the file with its line.
fn read_document(text: &str, folder: &Path, stops: &Stops) -> Vec<(usize, Written)> {
    let documents = match MarkedYaml::load_from_str(text) {
        Ok(documents) => documents,
        Err(error) => {
            stops.add(error.marker().line(), format!("this is no YAML: {}", error.info()));
            return Vec::new();
        }
    };
    let [document] = documents.as_slice() else {
        stops.add(1, "the file has not one YAML document".to_owned());
        return Vec::new();
    };
    let source = node::Text { whole: text, folder, stops };
    let Some(root) = node::Node::new(source, "the file", document).map() else { return Vec::new() };
    let Some(modules) = root.take("modules") else {
        stops.add(1, "there are no `modules` in the file".to_owned());
        return Vec::new();
    };
    let modules = modules.map().map(Map::into_entries).unwrap_or_default();
    modules
        .into_iter()
        .filter_map(|(name, module)| Some((module.line(), read_module(&name, &module.map()?)?)))
        .collect()
}

fn read_module(name: &str, module: &Map<'_>) -> Option<Written> {
    let Some(prober) = module.take("prober") else {
        module.stop(format!("the module `{name}` has no `prober`"));
        return None;
    };
    let kind = prober.text()?;
    let protocol = match kind.as_str() {
        "http" => "http",
        "tcp" => "tcp",
        "icmp" => "ping",
        "dns" => "dns",
        other => {
            prober.stop(format!("the prober `{other}` has no counterpart in the agent"));
            // What it says besides is of no use to anybody.
            module.forgive();
            return None;
        }
    };
    let mut written = Written::new(name, protocol);
    written.limit(module.take("timeout").and_then(|timeout| timeout.duration()));
    // Options of other probers are read there and have no effect.
    for other in ["http", "tcp", "icmp", "dns"].into_iter().filter(|other| *other != kind) {
        if let Some(other) = module.take(other).filter(|node| !node.is_nothing()) {
            other.stop(format!("the module has the prober {kind}, and this is for another one"));
        }
    }
    let options = module.take_map(match protocol {
        "ping" => "icmp",
        same => same,
    });
    match protocol {
        "http" => http::read(&options, &mut written),
        "tcp" => tcp::read(&options, &mut written),
        "ping" => icmp::read(&options, &mut written),
        _ => dns::read(&options, &mut written, module),
    }
    Some(written)
}

#[cfg(test)]
mod tests;
