//! The service as a program of its own, for clients that are not the agent.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::describe::Description;
use super::service::Service;
use crate::lab::harness::say;
use crate::lab::wire::Record;

/// The argument of the test binary that makes it this program.
pub const SERVE: &str = "serve-files-v1";

/// Serves what a file describes, on a free port of loopback that it prints, until its standard input ends. The line of
/// what it keeps then is the last that it prints.
pub async fn serve(file: &Path) -> Result<(), String> {
    let words = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| words(&error))?;
    let description: Description = toml::from_str(&text).map_err(|error| words(&error))?;
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| words(&error))?;
    let address = listener.local_addr().map_err(|error| words(&error))?;
    let service = Arc::new(Service::new(&description, address, false)?);
    say(&format!("files/v1 on {address}"));
    let accepting = async {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(Arc::clone(&service).converse(stream, Record::default()));
        }
    };
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        () = accepting => {}
        _ = ended => {}
    }
    for trouble in service.troubles() {
        say(&format!("trouble: {trouble}"));
    }
    say(&format!("left: {:?}", service.stored()));
    Ok(())
}
