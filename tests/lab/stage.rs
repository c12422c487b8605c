//! One case from its text to its verdict: peers up, task file written, agent called, everything compared.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::agent::{self, Call, Ended};
use super::case::{Case, Draft, task_text};
use super::judge::Complaints;
use super::namespace;
use super::scene::Scene;
use super::table;

/// How long after its own deadline the agent is killed.
const GRACE: Duration = Duration::from_secs(10);

/// A case by its place: the file `<protocol>/<number or word>-<slug>.toml`, or one row of a table of cases.
#[derive(Clone, Debug)]
pub struct CaseFile {
    /// The file.
    pub path: PathBuf,
    /// The folder's name.
    pub protocol: String,
    /// The file's name without extension; of a row, the words of its columns behind it.
    pub slug: String,
    /// Of a table, which row.
    row: Option<usize>,
}

impl CaseFile {
    /// A case file, if the path names one.
    pub fn new(path: &Path) -> Option<Self> {
        let protocol = path.parent()?.file_name()?.to_str()?.to_owned();
        let slug = path.file_stem()?.to_str()?.to_owned();
        (path.extension()? == "toml").then(|| Self { path: path.to_owned(), protocol, slug, row: None })
    }

    /// The cases of this file: itself, or one for each row of its table.
    pub fn cases(self) -> Result<Vec<Self>, String> {
        let Some(table) = table::Table::read(&self.whole_text()?)? else { return Ok(vec![self]) };
        let row = |index: usize| Self {
            slug: format!("{}::{}", self.slug, table.words(index).join("-")),
            row: Some(index),
            ..self.clone()
        };
        Ok((0..table.rows.len()).map(row).collect())
    }

    /// What the name begins with: a number (`611`, `-2`), `up` or `wrong`. A row begins with its first column.
    pub fn head(&self) -> &str {
        let name = self.slug.rsplit("::").next().unwrap_or_default();
        match name.strip_prefix('-').and_then(|rest| rest.find('-')) {
            Some(end) => &name[..=end],
            None => name.split('-').next().unwrap_or_default(),
        }
    }

    /// The number that the name begins with, if it is one.
    pub fn number(&self) -> Option<i64> {
        self.head().parse().ok()
    }

    /// The text of the case.
    pub fn text(&self) -> Result<String, String> {
        let text = self.whole_text()?;
        match (self.row, table::Table::read(&text)?) {
            (Some(row), Some(table)) => Ok(table.fill(&text, row)),
            _ => Ok(text),
        }
    }

    fn whole_text(&self) -> Result<String, String> {
        fs::read_to_string(&self.path).map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// What has to be known before peers listen.
    pub fn draft(&self) -> Result<Draft, String> {
        Draft::read(&self.text()?)
    }
}

/// Plays a case wherever it wants to be played.
pub async fn play(file: &CaseFile) -> Result<(), String> {
    let draft = file.draft()?;
    if !draft.wants_namespace() {
        return play_here(file).await;
    }
    let path = file.path.clone();
    let played = tokio::task::spawn_blocking(move || namespace::play(&path, draft.beyond())).await;
    played.map_err(|error| error.to_string())?
}

/// Plays a case in the network this process is in.
pub async fn play_here(file: &CaseFile) -> Result<(), String> {
    let scene = Scene::open(&file.text()?).await?;
    let case = &scene.case;
    // The commands may name the files.
    let call = prepare(case, task_text(&scene.text), scene.folder.path(), file.draft()?.deadline() + GRACE)?;
    namespace::set_up(&case.namespace)?;
    if case.icmp_sockets == Some(true) {
        namespace::allow_icmp_sockets()?;
    }

    let ended = call_within(&call, case.open_files).await?;
    let mut complaints = Complaints::default();
    complaints.on_output(&case.expect, &ended, &file.protocol, file.head() == "up");
    complaints.on_peers(&case.expect, &scene.peers).await;
    if complaints.0.is_empty() { Ok(()) } else { Err(report(&complaints, &ended)) }
}

/// Writes the files of a case and says how the agent is called.
fn prepare(case: &Case, task: &str, folder: &Path, deadline: Duration) -> Result<Call, String> {
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).map_err(|error| format!("{name}: {error}"));
    write("task.toml", task)?;
    for (name, content) in &case.files {
        write(name, &content.text())?;
    }
    let mut arguments: Vec<String> = ["probe", "--task", "task.toml", "--format", "json"].map(str::to_owned).into();
    if let Some(config) = &case.config {
        write("agent.toml", config)?;
        arguments.extend(["--config".to_owned(), "agent.toml".to_owned()]);
    }
    arguments.extend(case.args.iter().cloned());
    let unprivileged = case.icmp_sockets.is_some();
    Ok(Call {
        arguments,
        environment: case.env.clone(),
        folder: folder.to_owned(),
        open_files: None,
        unprivileged,
        deadline,
    })
}

/// Calls the agent; where the number of open files is limited, with the lowest limit under which it comes to a verdict.
///
/// How many files the agent needs before its first socket is its own business, so that the limit is searched for.
async fn call_within(call: &Call, open_files: Option<[u32; 2]>) -> Result<Ended, String> {
    let Some([first, last]) = open_files else { return agent::call(call).await };
    let mut ended = Err("no limit of open files was tried".to_owned());
    for limit in first..=last {
        let limited = Call { open_files: Some(limit), ..call.clone() };
        let tried = agent::call(&limited).await?;
        let verdict = ["failed", "error"].iter().any(|word| tried.stdout.contains(&format!("\"outcome\":\"{word}\"")))
            || tried.status == Some(0);
        ended = Ok(tried);
        if verdict {
            break;
        }
    }
    ended
}

fn report(complaints: &Complaints, ended: &Ended) -> String {
    let mut report = complaints.0.iter().fold(String::new(), |mut report, complaint| {
        let _ = writeln!(report, "  {complaint}");
        report
    });
    let _ = writeln!(report, "  exit status {:?} after {:?}", ended.status, ended.took);
    let _ = writeln!(report, "  stdout: {}", ended.stdout.trim());
    let _ = write!(report, "  stderr: {}", ended.stderr.trim());
    report
}
