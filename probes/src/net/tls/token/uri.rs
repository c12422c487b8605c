//! Which key is meant: PKCS#11 URIs (RFC 7512), as far as they name a private key.

/// Which key on which token is meant.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct KeyUri {
    pub(super) token: Option<String>,
    pub(super) manufacturer: Option<String>,
    pub(super) model: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) object: Option<String>,
    pub(super) id: Option<Vec<u8>>,
}

impl KeyUri {
    /// Reads a PKCS#11 URI; the words for a person say what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("pkcs11:").ok_or("a PKCS#11 URI begins with pkcs11:")?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self::default();
        for part in path.split(';').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| format!("`{part}` has no value"))?;
            let bytes = unescape(value).ok_or_else(|| format!("`{name}` has a % without two hex digits"))?;
            if name == "id" {
                uri.id = Some(bytes);
                continue;
            }
            let value = String::from_utf8(bytes).map_err(|_| format!("`{name}` is not UTF-8"))?;
            match name {
                "token" => uri.token = Some(value),
                "manufacturer" => uri.manufacturer = Some(value),
                "model" => uri.model = Some(value),
                "serial" => uri.serial = Some(value),
                "object" => uri.object = Some(value),
                "type" if value == "private" => {}
                "type" => return Err("a client key is of the type private".to_owned()),
                _ => return Err(format!("`{name}` is none of token, manufacturer, model, serial, object, id, type")),
            }
        }
        if let Some(name) = query.split('&').find(|part| !part.is_empty()).and_then(|part| part.split('=').next()) {
            return Err(format!("`{name}` does not belong here: the PIN is client_key_password, the module is engine"));
        }
        Ok(uri)
    }

    /// The PIN that somebody wrote into a URI, where it does not belong.
    #[must_use]
    pub fn stray_pin(text: &str) -> Option<&str> {
        let (_, pin) = text.split_once("pin-value=")?;
        pin.split(['&', ';', '?']).next()
    }
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let (digits, tail) = rest.split_at_checked(2)?;
            let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
            bytes.push(digit(digits[0])? << 4 | digit(digits[1])?);
            rest = tail;
        } else {
            bytes.push(*first);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_name_a_key() {
        let uri = KeyUri::parse("pkcs11:token=My%20token;object=probe;id=%01%ff;type=private").expect("a URI");
        let wanted = KeyUri {
            token: Some("My token".to_owned()),
            object: Some("probe".to_owned()),
            id: Some(vec![1, 0xff]),
            ..KeyUri::default()
        };
        assert_eq!(uri, wanted);
        for text in ["token=a", "pkcs11:token", "pkcs11:id=%0", "pkcs11:colour=red", "pkcs11:type=cert"] {
            assert!(KeyUri::parse(text).is_err(), "{text}");
        }
        assert!(KeyUri::parse("pkcs11:token=a?pin-source=file:/x").is_err());
        assert_eq!(KeyUri::stray_pin("pkcs11:token=a?pin-value=1234&x=y"), Some("1234"));
    }
}
