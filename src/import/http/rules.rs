//! The rules on body and headers.

use super::super::node::{Map, Node};
use super::super::written::{Place, Written, table};

/// Regular expressions by header.
type Rules = Vec<(String, String)>;

/// Reads all of them.
pub(super) fn read(options: &Map<'_>, written: &mut Written) {
    let absent = options.list("fail_if_body_matches_regexp");
    let absent: Vec<String> = absent.iter().filter_map(Node::text).collect();
    if let Some(expression) = any(&absent) {
        written.set_text(Place::Protocol, "not_match_regex", &expression);
    }
    let present = options.list("fail_if_body_not_matches_regexp");
    if let Some(second) = present.get(1) {
        second.stop(
            "a second expression that the body must match has no counterpart in the agent: it knows one".to_owned(),
        );
    }
    let present = present.first().and_then(Node::text);
    if let Some(expression) = &present {
        written.set_text(Place::Protocol, "match_regex", expression);
    }
    if present.is_some() || !absent.is_empty() {
        // The whole body is searched there.
        written.set_text(Place::Protocol, "body_limit", "32MiB");
    }
    read_headers(options, written);
}

fn read_headers(options: &Map<'_>, written: &mut Written) {
    let mut wanted = Rules::new();
    for node in options.list("fail_if_header_not_matches") {
        let Some((name, expression, may_be_missing)) = read_rule(&node) else { continue };
        if may_be_missing {
            node.stop(
                "a header that may be missing, and must match if it is there, has no counterpart in the agent"
                    .to_owned(),
            );
        } else if find(&mut wanted, &name).is_some() {
            node.stop(format!("a second expression that the header {name} must match has no counterpart in the agent"));
        } else {
            wanted.push((name, expression));
        }
    }
    let mut unwanted = Rules::new();
    for node in options.list("fail_if_header_matches") {
        let Some((name, expression, may_be_missing)) = read_rule(&node) else { continue };
        // There a header that is missing is a failure, unless it may be: any value will do.
        if !may_be_missing && find(&mut wanted, &name).is_none() {
            wanted.push((name.clone(), String::new()));
        }
        match find(&mut unwanted, &name) {
            Some(before) => *before = format!("(?:{before})|(?:{expression})"),
            None => unwanted.push((name, expression)),
        }
    }
    for (key, rules) in [("match_header", wanted), ("not_match_header", unwanted)] {
        if !rules.is_empty() {
            written.set(Place::Protocol, key, table(&rules));
        }
    }
}

/// The expression of a header.
fn find<'r>(rules: &'r mut Rules, name: &str) -> Option<&'r mut String> {
    rules.iter_mut().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, expression)| expression)
}

/// Name, expression, and whether the header may be missing.
fn read_rule(node: &Node<'_>) -> Option<(String, String, bool)> {
    let rule = node.map()?;
    let may_be_missing = rule.flag("allow_missing");
    if let (Some(name), Some(expression)) = (rule.text("header"), rule.text("regexp")) {
        return Some((name, expression, may_be_missing));
    }
    node.stop("a rule on a header needs `header` and `regexp`".to_owned());
    None
}

/// An expression that matches where one of several does.
fn any(expressions: &[String]) -> Option<String> {
    match expressions {
        [] => None,
        [only] => Some(only.clone()),
        several => Some(several.iter().map(|one| format!("(?:{one})")).collect::<Vec<_>>().join("|")),
    }
}
