//! The scene of a case: its peers up and answering, its files written, every place in its text filled.

use tempfile::TempDir;

use super::case::{Case, Draft};
use super::certificates::authority;
use super::peer::Peers;
use super::places::Places;

/// How often the peers are bound anew when another case has just taken the port that two of them must share.
const ATTEMPTS: usize = 5;

/// A case with its peers.
pub struct Scene {
    /// The case, with every place filled.
    pub case: Case,
    /// The text it was read from.
    pub text: String,
    /// Its peers.
    pub peers: Peers,
    /// Its files; removed with it.
    pub folder: TempDir,
    /// What stands for `{addr}` and its like.
    pub places: Places,
}

impl Scene {
    /// Sets the scene that a text describes.
    pub async fn open(text: &str) -> Result<Self, String> {
        let draft = Draft::read(text)?;
        draft.check()?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        authority().write_files(folder.path())?;
        let (mut peers, places) = bind(&draft, &folder).await?;
        let text = places.fill(text)?;
        let case: Case = toml::from_str(&text).map_err(|error| error.to_string())?;
        for (name, spec) in case.peers() {
            peers.serve(name, spec)?;
        }
        Ok(Self { case, text, peers, folder, places })
    }
}

async fn bind(draft: &Draft, folder: &TempDir) -> Result<(Peers, Places), String> {
    let mut error = String::new();
    for _ in 0..ATTEMPTS {
        let mut places = Places::default();
        places.set("ca", folder.path().join("ca.pem").display().to_string());
        places.set("dir", folder.path().display().to_string());
        match Peers::bind(draft.peers(), &mut places, folder.path()).await {
            Ok(peers) => return Ok((peers, places)),
            Err(why) => error = why,
        }
    }
    Err(error)
}
