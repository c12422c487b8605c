//! A URL that stands for a whole task, as on the command line.

use probes::secret::mask_url;

use super::{Task, read};
use crate::reader::{Problem, Problems, Source};
use crate::settings::Settings;

/// Reads the task that a URL stands for: its scheme is the protocol, and every key has its default. `place` is where
/// mistakes are said to be.
pub fn read_url(url: &str, place: &str, settings: &Settings) -> Result<Vec<Task>, Problems> {
    let protocol = match url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).as_deref() {
        Some("http" | "https") => "http",
        Some("ping") => "ping",
        Some("tcp") => "tcp",
        Some("udp") => "udp",
        Some("dns") => "dns",
        Some("smtp" | "smtps") => "smtp",
        Some("pop3" | "pop3s") => "pop3",
        Some("ftp" | "ftps") => "ftp",
        _ => {
            let message = format!(
                "`{}` is no URL that can be probed; write one such as http://host/, tcp://host:port or ping://host",
                mask_url(url)
            );
            return Err(Problems(vec![Problem::of_file(place.to_owned(), &message)]));
        }
    };
    // What JSON escapes in a text, TOML reads in the same way.
    let quoted = serde_json::Value::from(url);
    let text = format!("[[task]]\nname = \"command-line\"\ntarget = {quoted}\n[task.{protocol}]\n");
    read(Source::inline(place, text), settings)
}
