//! The labels of a series: task, target, and the task's own, under names that Prometheus takes and that clash with nothing.

use std::collections::{BTreeMap, BTreeSet};

use probes::secret::Secrets;

use super::text::label;

/// Names that samples have for themselves, or that Prometheus gives.
const TAKEN: [&str; 18] = [
    "task",
    "target",
    "phase",
    "book",
    "code",
    "protocol",
    "fault",
    "side",
    "outcome",
    "version",
    "cipher",
    "le",
    "quantile",
    "fingerprint_sha256",
    "subject",
    "issuer",
    "subjectalternative",
    "reason",
];

/// The labels of one target of one task.
pub(super) fn of(task: &str, target: &str, own: &BTreeMap<String, String>, secrets: &Secrets) -> Box<str> {
    let mut labels = String::new();
    label(&mut labels, "task", task);
    label(&mut labels, "target", target);
    let mut names: BTreeSet<String> = TAKEN.map(str::to_owned).into();
    for (key, value) in own {
        let mut name = legal(key);
        if names.contains(&name) {
            name = format!("label_{name}");
        }
        while !names.insert(name.clone()) {
            name.push('_');
        }
        label(&mut labels, &name, &secrets.strike(value));
    }
    labels.into()
}

/// Letters, digits and underscores; not beginning with a digit, nor with the two underscores that Prometheus keeps.
fn legal(key: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let name: String = key.chars().map(plain).collect();
    if name.starts_with(|first: char| first.is_ascii_digit()) || name.starts_with("__") || name.is_empty() {
        format!("label_{name}")
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_legal_and_clash_with_nothing() {
        let own = [("a b", "1"), ("a-b", "2"), ("task", "3"), ("7", "4"), ("__x", "5"), ("", "6"), ("label_task", "7")];
        let own = own.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let labels = of("t\"\\\n", "u", &own, &Secrets::default());
        let wanted = "task=\"t\\\"\\\\\\n\",target=\"u\",label_=\"6\",label_7=\"4\",label___x=\"5\",a_b=\"1\",\
                      label_a_b=\"2\",label_task=\"7\",label_task_=\"3\"";
        assert_eq!(&*labels, wanted);
    }
}
