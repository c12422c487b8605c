//! A client key that lives in a token (softhsm2), against OpenSSL's server that demands a client certificate.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;

use crate::authority::authority;
use crate::run::{Run, probe_in};
use crate::stack::{find, here, search_path};

const PIN: &str = "98127634";

/// A token with the keys of the authority's clients in it.
struct Token {
    folder: tempfile::TempDir,
    module: PathBuf,
}

fn token() -> &'static Token {
    static SHARED: OnceLock<Token> = OnceLock::new();
    SHARED.get_or_init(Token::make)
}

/// Where Debian has the module, and where `tests/stack/get` unpacked it.
fn module() -> PathBuf {
    let places = [PathBuf::from("/usr/lib/softhsm/libsofthsm2.so"), here(".cache/root/usr/lib/softhsm/libsofthsm2.so")];
    let found = places.into_iter().find(|place| place.is_file());
    found.unwrap_or_else(|| panic!("SoftHSM is missing, which this test needs: run tests/stack/get"))
}

impl Token {
    fn make() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for the token");
        let tokens = folder.path().join("tokens");
        fs::create_dir(&tokens).expect("a folder for the tokens");
        let text = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
        fs::write(folder.path().join("softhsm2.conf"), text).expect("the configuration can be written");
        let token = Self { folder, module: module() };
        token.softhsm(&["--init-token", "--free", "--label", "lab", "--so-pin", PIN, "--pin", PIN]);
        for (id, client) in [("01", "client"), ("02", "client384"), ("03", "client_rsa")] {
            let key = authority().file(&format!("{client}.key"));
            token.softhsm(&["--import", &key, "--token", "lab", "--label", client, "--id", id, "--pin", PIN]);
        }
        token
    }

    fn softhsm(&self, arguments: &[&str]) {
        let program = find(&search_path(), "softhsm2-util").unwrap_or_else(|sentence| panic!("{sentence}"));
        let mut call = Command::new(program);
        call.args(arguments).arg("--module").arg(&self.module).envs(self.environment()).stdin(Stdio::null());
        let done = call.output().expect("softhsm2-util can be run");
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn environment(&self) -> [(&'static str, String); 1] {
        [("SOFTHSM2_CONF", self.folder.path().join("softhsm2.conf").display().to_string())]
    }

    /// The lines of a task whose key is this one.
    fn lines(&self, certificate: &str, uri: &str, pin: &str) -> String {
        let (ca, certificate) = (authority().file("ca.pem"), authority().file(&format!("{certificate}.pem")));
        let engine = format!("pkcs11:{}", self.module.display());
        let pin = if pin.is_empty() { String::new() } else { format!("client_key_password = {pin:?}\n") };
        format!(
            "[task.tls]\nca_file = {ca:?}\nengine = {engine:?}\nclient_cert = {certificate:?}\n\
             client_key = {uri:?}\n{pin}[task.http]"
        )
    }

    fn probe(&self, server: &[&str], lines: &str) -> Run {
        let server = authority().serve("bare", &[server, &["-Verify", "1", "-verify_return_error"]].concat());
        probe_in(&self.environment(), &server.url(), lines)
    }

    /// What the agent says of a task that it refuses.
    fn refused(&self, lines: &str) -> String {
        let task = format!("[[task]]\nname = \"real\"\ntarget = \"https://127.0.0.1/\"\n{lines}\n");
        let file = self.folder.path().join(format!("refused-{:?}.toml", std::thread::current().id()));
        fs::write(&file, task).expect("the task can be written");
        let mut check = Command::new(env!("CARGO_BIN_EXE_agent"));
        let done = check.arg("check").arg(&file).envs(self.environment()).output().expect("the agent can be run");
        assert_eq!(done.status.code(), Some(2), "{done:?}");
        String::from_utf8(done.stderr).expect("the agent speaks UTF-8")
    }
}

#[test]
fn keys_of_every_kind_sign_in_both_versions() {
    for (client, id) in [("client", "%01"), ("client384", "%02"), ("client_rsa", "%03")] {
        for version in ["-tls1_2", "-tls1_3"] {
            let uri = format!("pkcs11:token=lab;object={client};id={id};type=private");
            let run = token().probe(&[version], &token().lines(client, &uri, PIN)).succeeded(200);
            assert!(!run.printed().contains(PIN), "{run}");
        }
    }
}

#[test]
fn a_server_that_asks_for_an_older_signature() {
    for sigalgs in ["RSA-PSS+SHA384", "RSA+SHA256", "RSA+SHA512"] {
        let lines = token().lines("client_rsa", "pkcs11:object=client_rsa", PIN);
        token().probe(&["-tls1_2", "-client_sigalgs", sigalgs], &lines).succeeded(200);
    }
}

/// A token of its own, which is gone when the agent is asked to sign: between the two stands a relay that removes it.
#[test]
fn a_token_that_is_gone_is_no_fault_of_the_server() {
    let token = Token::make();
    let server = authority().serve("bare", &["-Verify", "1", "-verify_return_error"]);
    let relay = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("https://{}/", relay.local_addr().expect("it is bound"));
    let (tokens, behind) = (token.folder.path().join("tokens"), server.address());
    thread::spawn(move || {
        let (agent, _) = relay.accept()?;
        fs::remove_dir_all(tokens)?;
        let server = TcpStream::connect(behind)?;
        let (mut from, mut to) = (agent.try_clone()?, server.try_clone()?);
        thread::spawn(move || io::copy(&mut from, &mut to));
        io::copy(&mut &server, &mut &agent)
    });
    let lines = token.lines("client", "pkcs11:object=client", PIN);
    let run = probe_in(&token.environment(), &url, &lines).failed(611, "tls.client_certificate.key_failed");
    run.with("/side", "agent").with("/phase", "tls");
}

#[test]
fn what_is_wrong_with_a_token_is_found_when_the_task_is_read() {
    let key = "pkcs11:token=lab;object=client";
    let rows = [
        (token().lines("client", key, "0000"), "refuses the log-in"),
        (token().lines("client", "pkcs11:token=other;object=client", PIN), "no token is the one"),
        (token().lines("client", "pkcs11:token=lab;object=nobody", PIN), "no private key that client_key names"),
        (token().lines("client", "pkcs11:token=lab;object=client384", PIN), "not the one that the certificate is for"),
        (token().lines("client", key, ""), "no private key that client_key names"),
    ];
    for (lines, sentence) in rows {
        let said = token().refused(&lines);
        assert!(said.contains(sentence), "{sentence}: {said}");
        assert!(!said.contains(PIN), "{said}");
    }
}
