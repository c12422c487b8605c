//! What ships for Prometheus and Grafana: right in form, and of names that the agent has.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use regex::Regex;

use crate::stack::{find, search_path};

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .expect("a file of this repository can be read")
}

#[test]
fn promtool_accepts_configuration_and_rules() {
    let promtool = find(&search_path(), "promtool").unwrap_or_else(|sentence| panic!("{sentence}"));
    for (what, file) in [("config", "config/prometheus.yml"), ("rules", "config/alerts.yml")] {
        let mut check = Command::new(&promtool);
        let ended = check.args(["check", what, file]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
        let ended = ended.expect("promtool starts");
        assert!(ended.status.success(), "{file}: {}", String::from_utf8_lossy(&ended.stderr));
    }
}

#[test]
fn rules_and_dashboard_ask_for_what_there_is() {
    let known: String =
        ["family", "agent", "series", "process"].map(|file| text(&format!("src/metrics/{file}.rs"))).concat();
    let name = Regex::new(r"\b(?:probe|agent|process)_[a-z0-9_]+\b").expect("a literal expression");
    let mut asked = BTreeSet::new();
    let dashboard: serde_json::Value =
        serde_json::from_str(&text("config/grafana-dashboard.json")).expect("it is JSON");
    collect(&dashboard, &mut |expression| {
        asked.extend(name.find_iter(expression).map(|found| found.as_str().to_owned()));
    });
    asked.extend(name.find_iter(&text("config/alerts.yml")).map(|found| found.as_str().to_owned()));
    assert!(asked.len() > 10, "{asked:?}");
    for name in asked {
        assert!(known.contains(&format!("\"{name}\"")), "nothing is called {name}");
    }
}

/// Hands every expression of the dashboard over.
fn collect(value: &serde_json::Value, take: &mut impl FnMut(&str)) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                if let ("expr" | "query" | "definition", Some(expression)) = (key.as_str(), value.as_str()) {
                    take(expression);
                }
                collect(value, take);
            }
        }
        serde_json::Value::Array(list) => list.iter().for_each(|value| collect(value, take)),
        _ => {}
    }
}
