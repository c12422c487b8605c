//! Imports go down only: a module uses modules of lower floors, and nothing else of its package.
//!
//! The floors are read from the comments of `probes/src/lib.rs` and `src/lib.rs`, where the list stands once.
//! Modules of one floor do not know each other; what lies below a module is its own business.

#![allow(unreachable_pub, reason = "a test has no outside: `pub` marks what a module offers to the others")]

mod sources;

use std::collections::BTreeMap;

use regex::Regex;
use sources::Source;

/// The floor of every module of a package.
type Floors = BTreeMap<String, u32>;

#[test]
fn probes_use_lower_floors_only() {
    let found = upward(&floors("probes/src/lib.rs"), &sources::below("probes/src"));
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_agent_uses_lower_floors_only() {
    let found = upward(&floors("src/lib.rs"), &sources::below("src"));
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// The list is the architecture document: it goes up, and the agent's floors stand on those of the probes.
#[test]
fn the_floors_are_listed_from_the_ground_up() {
    let list: Vec<(String, u32)> =
        ["probes/src/lib.rs", "src/lib.rs"].into_iter().flat_map(|path| listed(&text(path))).collect();
    assert!(list.is_sorted_by_key(|(_, floor)| *floor), "{list:?}");
}

#[test]
fn only_the_door_opens_sockets() {
    let mut found =
        naming(r"\btokio\s*::\s*net\b", "probes/src", |module| module == "net" || module.starts_with("net/"));
    // The one place that others come in by: it listens, and goes nowhere.
    found.extend(naming(r"\btokio\s*::\s*net\b", "src", |module| module == "web/door"));
    assert!(found.is_empty(), "sockets are opened in probes/src/net only\n{}", found.join("\n"));
}

#[test]
fn one_file_is_unsafe() {
    let mut found = naming(r"\bunsafe\b", "probes/src", |module| module == "net/sys");
    found.extend(naming(r"\bunsafe\b", "src", |_| false));
    assert!(found.is_empty(), "only probes/src/net/sys.rs is unsafe\n{}", found.join("\n"));
}

/// A checker that finds nothing proves nothing.
#[test]
fn planted_imports_are_found() {
    let floors = Floors::from([("low".to_owned(), 1), ("middle".to_owned(), 2), ("other".to_owned(), 2)]);
    let rows = [
        ("low", "use crate::middle::Thing;", Some("low:1 (floor 1) uses crate::middle (floor 2)")),
        (
            "low/deep/down",
            "\n\nfn f() { crate::middle::f() }",
            Some("low/deep/down:3 (floor 1) uses crate::middle (floor 2)"),
        ),
        ("middle", "use crate::other;", Some("middle:1 (floor 2) uses crate::other (floor 2)")),
        ("low", "use crate::{low, middle::{Thing, more}};", Some("low:1 (floor 1) uses crate::middle (floor 2)")),
        ("low", "use super::middle;", Some("low:1 (floor 1) uses crate::middle (floor 2)")),
        ("low/deep", "use super::super::middle;", Some("low/deep:1 (floor 1) uses crate::middle (floor 2)")),
        ("stray", "use crate::low;", Some("stray has no floor: no `pub mod stray; // N` in lib.rs")),
        ("middle", "use crate::low::Thing;\nuse crate::middle::own;\nuse crate::{low, middle};", None),
        ("middle/deep", "use super::other;", None),
        ("low", "// use crate::middle;\nconst A: &str = \"//\"; /* crate::middle */", None),
        ("lib", "use crate::middle;", None),
    ];
    for (module, text, wanted) in rows {
        let found = upward(&floors, &[Source::new(module, text)]);
        assert_eq!(found.first().map(String::as_str), wanted, "{module}: {text}");
    }
}

fn text(path: &str) -> String {
    std::fs::read_to_string(sources::repository(path)).expect("a file of this repository can be read")
}

fn floors(path: &str) -> Floors {
    let listed = listed(&text(path));
    assert!(!listed.is_empty(), "{path} lists no floors");
    listed.into_iter().collect()
}

/// `pub mod net; // 2 …`, line by line.
fn listed(text: &str) -> Vec<(String, u32)> {
    let line = Regex::new(r"(?m)^(?:pub )?mod (\w+);(?: *// *(\d+)\b)?").expect("a literal expression");
    let floor = |found: regex::Captures<'_>| {
        let number = found.get(2).unwrap_or_else(|| panic!("the module {} has no floor in its comment", &found[1]));
        (found[1].to_owned(), number.as_str().parse().expect("digits"))
    };
    line.captures_iter(text).map(floor).collect()
}

/// Every use of a module that is not below the user's.
fn upward(floors: &Floors, sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let module = source.module.split('/').next().unwrap_or_default();
        // The list itself, and the program, which only calls the library.
        if matches!(source.module.as_str(), "lib" | "main") {
            continue;
        }
        let Some(floor) = floors.get(module) else {
            found.push(format!("{module} has no floor: no `pub mod {module}; // N` in lib.rs"));
            continue;
        };
        for (line, used) in uses(source) {
            if let Some(other) = floors.get(&used).filter(|other| used != module && *other >= floor) {
                found.push(format!("{}:{line} (floor {floor}) uses crate::{used} (floor {other})", source.module));
            }
        }
    }
    found
}

/// The modules at the root that a file names: `crate::m`, `crate::{m, …}`, and `super::m` where that is the root.
fn uses(source: &Source) -> Vec<(usize, String)> {
    let depth = source.module.split('/').count();
    let root = format!(r"\b(?:crate|(?:super\s*::\s*){{{}}}super)\s*::\s*", depth - 1);
    let path = Regex::new(&format!(r"{root}(?:(\w+)|\{{)")).expect("an expression made of literals");
    let mut uses = Vec::new();
    for found in path.captures_iter(&source.code) {
        let all = found.get(0).expect("a capture has a whole");
        // `super::super::m` is the root's for a file further up only.
        if source.code[..all.start()].trim_end().ends_with("::") {
            continue;
        }
        let line = source.code[..all.start()].matches('\n').count() + 1;
        match found.get(1) {
            Some(name) => uses.push((line, name.as_str().to_owned())),
            None => uses.extend(group(&source.code[all.end()..]).into_iter().map(|name| (line, name))),
        }
    }
    uses
}

/// The first words of the members of `{…}`, from behind the opening brace.
fn group(text: &str) -> Vec<String> {
    let mut members = vec![String::new()];
    let mut depth = 0;
    for letter in text.chars() {
        match letter {
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '{' => depth += 1,
            ',' if depth == 0 => members.push(String::new()),
            _ if depth == 0 => members.last_mut().expect("there is one from the start").push(letter),
            _ => {}
        }
    }
    let first = |member: &String| member.split("::").next().unwrap_or_default().trim().to_owned();
    members.iter().map(first).collect()
}

/// The lines of a package that match, but for those of the modules that may.
fn naming(expression: &str, folder: &str, may: impl Fn(&str) -> bool) -> Vec<String> {
    let expression = Regex::new(expression).expect("a literal expression");
    let mut found = Vec::new();
    for source in sources::below(folder) {
        let lines = source.code.lines().enumerate();
        let lines = lines.filter(|(_, line)| !may(&source.module) && expression.is_match(line));
        found
            .extend(lines.map(|(index, line)| format!("{folder}/{}.rs:{}: {}", source.module, index + 1, line.trim())));
    }
    found
}
