//! Texts with variables: `{{token}}` stands for what an earlier step extracted, `{{{{` for `{{` itself.

use std::collections::HashMap;

/// What earlier steps extracted, by name.
pub(super) type Variables = HashMap<String, Vec<u8>>;

/// A text with variables in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Literal(String),
    Variable(String),
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

impl Template {
    /// A text without variables, whatever stands in it.
    #[must_use]
    pub fn literal(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Literal(text.into())] }
    }

    /// Reads a text; what is wrong with it is said in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut template = Self::default();
        let mut rest = text;
        while let Some(open) = rest.find(OPEN) {
            template.push(&rest[..open]);
            let inside = &rest[open + OPEN.len()..];
            if let Some(behind) = inside.strip_prefix(OPEN) {
                template.push(OPEN);
                rest = behind;
            } else if inside.starts_with('{') {
                // The brace belongs to the text around: `{{{id}}}` is an object with an `{{id}}` in it.
                template.push("{");
                rest = &rest[open + 1..];
            } else {
                let name = inside.split(CLOSE).next().unwrap_or_default();
                if !is_name(name) || inside.len() == name.len() {
                    let shown: String = name.chars().take(32).collect();
                    return Err(format!("`{OPEN}{shown}` begins no variable such as {OPEN}token{CLOSE}"));
                }
                template.parts.push(Part::Variable(name.to_owned()));
                rest = &inside[name.len() + CLOSE.len()..];
            }
        }
        template.push(rest);
        Ok(template)
    }

    fn push(&mut self, text: &str) {
        match self.parts.last_mut() {
            Some(Part::Literal(literal)) => literal.push_str(text),
            _ if text.is_empty() => {}
            _ => self.parts.push(Part::Literal(text.to_owned())),
        }
    }

    /// The names of its variables.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Variable(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// Whether it has variables.
    #[must_use]
    pub fn varies(&self) -> bool {
        self.variables().next().is_some()
    }

    /// The text with a letter for each variable, to see whether it can be what it should be.
    #[must_use]
    pub fn sample(&self) -> String {
        let part = |part: &Part| match part {
            Part::Literal(text) => text.clone(),
            Part::Variable(_) => "x".to_owned(),
        };
        self.parts.iter().map(part).collect()
    }

    /// The text between the variables.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(text.as_str()),
            Part::Variable(_) => None,
        })
    }

    /// The text with the values of its variables. A task that names one nobody extracts is refused when it is read.
    pub(super) fn fill(&self, variables: &Variables) -> Vec<u8> {
        let mut filled = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => filled.extend_from_slice(text.as_bytes()),
                Part::Variable(name) => filled.extend(variables.get(name).into_iter().flatten()),
            }
        }
        filled
    }
}

/// Whether a text can name a variable.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in() {
        let variables = Variables::from([("id".to_owned(), b"7".to_vec()), ("a_b".to_owned(), b"\xff{{id}}".to_vec())]);
        let rows: [(&str, &[u8]); 9] = [
            ("", b""),
            ("plain {x}", b"plain {x}"),
            ("GET {{id}}.", b"GET 7."),
            ("{{id}}{{a_b}}", b"7\xff{{id}}"),
            ("{{{{id}}", b"{{id}}"),
            ("{{{{{{id}}", b"{{7"),
            ("{\"a\":{{id}}}", b"{\"a\":7}"),
            ("{{{id}}}", b"{7}"),
            ("}} {", b"}} {"),
        ];
        for (text, wanted) in rows {
            let template = Template::parse(text).expect(text);
            assert_eq!(template.fill(&variables), wanted, "{text}");
        }
    }

    #[test]
    fn what_begins_no_variable_is_refused() {
        for text in ["{{", "{{id", "{{}}", "{{ id }}", "{{1}}", "a{{b c}}", "{{id}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
