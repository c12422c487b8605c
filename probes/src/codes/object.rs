//! The codes that an object store itself makes: recognised by layer and number, and passed on where no table has them.
//!
//! One number means different things in different layers: a JSON code is looked up among the JSON codes only, so that no
//! answer passes for something that the agent or the download host says.

use super::{Book, Code, Entry, Kind, ROWS};

/// Where in an object store's answers a code stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Layer {
    /// The field `code` of the JSON answer.
    Json,
    /// The HTTP status of an answer without a JSON code.
    Http,
    /// The download host: its status, or the header `X-ErrNo`.
    Download,
}

impl Layer {
    /// The name in the catalogue and in results.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Http => "http",
            Self::Download => "download",
        }
    }

    fn rows(self) -> impl Iterator<Item = &'static Entry> {
        ROWS.iter().filter(move |entry| entry.book == Book::Cos && entry.layer == Some(self.name()))
    }
}

impl Code {
    /// The field `code` of a JSON answer. A number that stands twice is told apart by the symbol in the message, and is
    /// in no row where that has none.
    #[must_use]
    pub fn of_json(number: i32, message: &str) -> Self {
        let rows: Vec<_> = Layer::Json.rows().filter(|entry| entry.number == number).collect();
        let named = |entry: &&Entry| entry.symbol.is_some_and(|symbol| message.contains(symbol));
        let row = match rows.as_slice() {
            [row] => Some(*row),
            several => several.iter().copied().find(named),
        };
        row.map_or(Self(Kind::Unlisted(number)), Self::row)
    }

    /// The row of a JSON code by its symbol, for what the agent says in the service's words.
    #[must_use]
    pub fn of_json_symbol(symbol: &str) -> Option<Self> {
        Layer::Json.rows().find(|entry| entry.symbol == Some(symbol)).map(Self::row)
    }

    /// The status of an answer without a JSON code, where it is one that the service has.
    #[must_use]
    pub fn of_front_end(status: u16) -> Option<Self> {
        Layer::Http.rows().find(|entry| entry.number == i32::from(status)).map(Self::row)
    }

    /// The status of a download: the document writes it as a negative number.
    #[must_use]
    pub fn of_download(status: u16) -> Self {
        let own = |entry: &&Entry| entry.http_status == Some(status) && entry.number == -i32::from(status);
        Layer::Download.rows().find(own).map_or(Self(Kind::Unlisted(-i32::from(status))), Self::row)
    }

    /// The number in the header `X-ErrNo` of a download, where it is one that the service puts there.
    #[must_use]
    pub fn of_download_header(number: i32) -> Option<Self> {
        // A status has its own place: no header can make a success of a failure.
        let own = |entry: &&Entry| {
            entry.number == number && entry.http_status.is_some_and(|status| number != -i32::from(status))
        };
        Layer::Download.rows().find(own).map(Self::row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::{Entry, entries};

    fn place(code: Code) -> (Option<&'static str>, Option<&'static str>) {
        (code.entry().and_then(|entry| entry.layer), code.entry().and_then(|entry| entry.symbol))
    }

    #[test]
    fn every_row_that_a_service_makes_is_recognised() {
        let rows: Vec<&Entry> = entries().iter().filter(|entry| entry.book == Book::Cos).collect();
        assert_eq!(rows.len(), 201);
        for row in rows {
            let code = match row.layer {
                Some("json") => Code::of_json(row.number, row.symbol.unwrap()),
                Some("http") => Code::of_front_end(u16::try_from(row.number).unwrap()).unwrap(),
                Some("download") => match Code::of_download_header(row.number) {
                    Some(code) => code,
                    None => Code::of_download(row.http_status.unwrap()),
                },
                _ => Code::row(row),
            };
            assert_eq!((code.number(), code.name().as_ref()), (row.number, row.name));
            assert_eq!(place(code), (row.layer, row.symbol));
        }
    }

    #[test]
    fn a_number_of_another_layer_is_unknown() {
        for number in [-1, -2, -3, -4, 400, 404, -404, -200, -206, 612, -6101, -45062, 7] {
            let code = Code::of_json(number, "COSAPI_FILE_NOT_EXISTS");
            assert_eq!((code.number(), code.name().into_owned()), (number, format!("cos_{number}")));
            assert!(code.entry().is_none());
        }
        assert!(Code::of_front_end(404).is_none());
        assert_eq!(Code::of_download(302).name(), "cos_-302");
        assert_eq!(Code::of_download(200).number(), -200);
        for number in [-200, -206, -404, -97, 404] {
            assert!(Code::of_download_header(number).is_none(), "{number}");
        }
    }

    #[test]
    fn the_message_tells_minus_61_apart() {
        let symbol = |message: &str| place(Code::of_json(-61, message)).1;
        assert_eq!(symbol("ERROR_PROXY_SIGN_BUCKET_NOTMATCH"), Some("ERROR_PROXY_SIGN_BUCKET_NOTMATCH"));
        assert_eq!(symbol("ERROR_PROXY_INVALID_CMD_REQ: 5"), Some("ERROR_PROXY_INVALID_CMD_REQ"));
        assert_eq!(symbol("something else"), None);
    }
}
