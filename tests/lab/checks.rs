//! Tests of the lab itself, and of the collection of case files as a whole.

use std::collections::{BTreeMap, BTreeSet};

use probes::codes::Protocol;
use probes::spec::Spec;

use super::catalogue;
use super::harness::{Test, say};
use super::stage::CaseFile;
use super::{dns, files_v1, places, script, witness};

/// All of them.
pub fn tests(files: &[CaseFile]) -> Vec<Test> {
    let of = |check: fn(&[CaseFile]) -> Result<(), String>| {
        let files = files.to_vec();
        move || check(&files)
    };
    let mut tests = witness::tests();
    tests.extend(files_v1::tests());
    tests.extend([
        Test::quick("lab::places", places::check),
        Test::quick("lab::script", script::check),
        Test::new("lab::dns", dns::check()),
        Test::quick("files::every_code_has_a_case", of(every_code_has_a_case)),
        Test::quick("files::named_after_their_code", of(named_after_their_code)),
        Test::quick("files::no_two_alike", of(no_two_alike)),
        Test::quick("files::say_what_the_peer_does", of(say_what_the_peer_does)),
    ]);
    tests
}

/// Every row of the books is provoked by at least one case file.
fn every_code_has_a_case(files: &[CaseFile]) -> Result<(), String> {
    // Each file is read once: there are thousands of files, and hundreds of rows.
    let expectations: Vec<(&str, Option<i64>, Option<String>)> = files
        .iter()
        .map(|file| {
            let name = expected(file, "name").and_then(|name| name.as_str().map(str::to_owned));
            (file.protocol.as_str(), code_of(file), name)
        })
        .collect();
    let has = |protocol: &str, row: &catalogue::Row| {
        expectations.iter().any(|(of, code, name)| {
            *of == protocol && *code == Some(row.code) && name.as_ref().is_none_or(|name| *name == row.name)
        })
    };
    let mut rows = Vec::new();
    for book in catalogue::BOOKS {
        rows.extend(catalogue::rows(book)?.into_iter().map(|row| (book, row)));
    }
    let covered = Spec::PROTOCOLS.map(Protocol::name);
    let open: BTreeSet<&str> =
        rows.iter().map(|(_, row)| row.protocol.as_str()).filter(|word| !covered.contains(word)).collect();
    say(&format!("protocols whose rows need no case yet: {open:?}"));
    let own = rows.iter().filter(|(_, row)| covered.contains(&row.protocol.as_str()));
    let mut missing: Vec<String> = own
        .filter(|(_, row)| !has(&row.protocol, row))
        .map(|(book, row)| format!("  no case for {book}/{} {} {}", row.protocol, row.code, row.name))
        .collect();
    let statuses = catalogue::rows("http-status")?;
    missing.extend(
        statuses
            .iter()
            .filter(|row| !has("http", row))
            .map(|row| format!("  no case for the HTTP status {} {}", row.code, row.name)),
    );
    if missing.is_empty() { Ok(()) } else { Err(missing.join("\n")) }
}

/// `611-….toml` expects 611, `up-….toml` a success, `wrong-….toml` the refusal of the task, `error-….toml` the agent's
/// own error.
fn named_after_their_code(files: &[CaseFile]) -> Result<(), String> {
    let mut slips = Vec::new();
    for file in files {
        let code = code_of(file);
        let exit = expected(file, "exit").and_then(|value| value.as_integer());
        let fine = match file.head() {
            "up" => exit.is_none() && code.is_none_or(|code| code < 600),
            "wrong" => exit == Some(2) && code.is_none(),
            "error" => exit == Some(3) && code.is_none(),
            _ => file.number() == code && code.is_some(),
        };
        if !fine {
            slips.push(format!("  {}: code {code:?}, exit {exit:?}", file.path.display()));
        }
    }
    if slips.is_empty() { Ok(()) } else { Err(slips.join("\n")) }
}

/// No two files have the same peers, task and call: the second one would test nothing.
fn no_two_alike(files: &[CaseFile]) -> Result<(), String> {
    let mut seen: BTreeMap<String, &CaseFile> = BTreeMap::new();
    let mut twins = Vec::new();
    for file in files {
        let key = format!("{} {}", file.protocol, essence(file)?);
        if let Some(twin) = seen.insert(key, file) {
            twins.push(format!("  {} and {}", twin.path.display(), file.path.display()));
        }
    }
    if twins.is_empty() { Ok(()) } else { Err(twins.join("\n")) }
}

/// What a file does, whatever it calls its peers, says in its comments and expects.
fn essence(file: &CaseFile) -> Result<String, String> {
    let mut text = file.text()?;
    for (index, (name, _)) in file.draft()?.peers().enumerate() {
        text = text.replace(&format!("{{{name}."), &format!("{{{index}."));
        text = text.replace(&format!("[peer.{name}"), &format!("[peer.{index}"));
    }
    let mut table: toml::Table = toml::from_str(&text).map_err(|error| error.to_string())?;
    for key in ["expect", "columns", "rows"] {
        table.remove(key);
    }
    Ok(format!("{table:?}"))
}

/// The first line of every file is a comment for people.
fn say_what_the_peer_does(files: &[CaseFile]) -> Result<(), String> {
    let mut silent = Vec::new();
    for file in files {
        if !file.text()?.starts_with("# ") {
            silent.push(format!("  {}", file.path.display()));
        }
    }
    if silent.is_empty() { Ok(()) } else { Err(silent.join("\n")) }
}

fn expected(file: &CaseFile, key: &str) -> Option<toml::Value> {
    let table: toml::Table = toml::from_str(&file.text().ok()?).ok()?;
    table.get("expect")?.get(key).cloned()
}

fn code_of(file: &CaseFile) -> Option<i64> {
    expected(file, "code")?.as_integer()
}
