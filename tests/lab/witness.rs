//! Independent clients against the lab's own peers: what curl and OpenSSL say of them must be what their scripts and
//! recipes say. A lab that is wrong would teach the agent its mistakes.

use std::process::Stdio;

use tokio::process::Command;

use super::harness::Test;
use super::scene::Scene;

/// Certificate recipes with the number that OpenSSL has for their one defect (`openssl verify` lists them), for the
/// name `lab.test` and the address 127.0.0.1.
const DEFECTS: [(&str, u32); 23] = [
    ("good", 0),
    ("with_intermediate", 0),
    ("with_root", 0),
    ("with_stray", 0),
    ("unknown_extension", 0),
    ("revoked", 0),
    ("broken_signature", 7),
    ("broken_intermediate", 7),
    ("not_yet_valid", 9),
    ("expired", 10),
    ("expired_intermediate", 10),
    ("self_signed", 18),
    ("self_signed_ca", 18),
    ("unknown_root_presented", 19),
    ("unknown_root_absent", 21),
    ("missing_intermediate", 21),
    ("path_length", 25),
    ("client_auth_only", 26),
    ("issued_by_leaf", 32),
    ("critical_extension", 34),
    ("name_constraints", 47),
    ("dns_only", 64),
    ("wrong_name", 64),
];

/// All of them.
pub fn tests() -> Vec<Test> {
    vec![
        Test::new("lab::curl_reads_a_script", curl_reads_a_script()),
        Test::new("lab::curl_speaks_http2", curl_speaks_http2()),
        Test::new("lab::curl_passes_the_proxy", curl_passes_the_proxy()),
        Test::new("lab::curl_fetches_by_ftp", curl_fetches_by_ftp()),
        Test::new("lab::curl_waits_for_a_stuck_port", curl_waits_for_a_stuck_port()),
        Test::new("lab::openssl_finds_each_defect", openssl_finds_each_defect()),
    ]
}

async fn curl_reads_a_script() -> Result<(), String> {
    let scene = Scene::open(
        r#"
        expect = {}
        server = [
            { hear = "POST /form HTTP/1.1\r\n" },
            { hear = "head" },
            { hear = "a=1" },
            { say = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" },
            { say_gzip = "hello curl" },
            "close",
        ]"#,
    )
    .await?;
    let said = curl(&scene, &["--compressed", "--data", "a=1", "http://{addr}/form"]).await?;
    same(&said, "hello curl")?;
    match scene.peers.troubles().as_slice() {
        [] => Ok(()),
        troubles => Err(format!("{troubles:?}")),
    }
}

async fn curl_speaks_http2() -> Result<(), String> {
    let scene = Scene::open(
        r#"
        expect = {}
        [server]
        tls = { alpn = ["h2"] }
        script = [
            { frame = { kind = "settings" } },
            { hear = "h2" },
            { frame = { kind = "headers", stream = 1, flags = ["end_headers"], headers = [":status: 203", "x-lab: yes"] } },
            { frame = { kind = "data", stream = 1, flags = ["end_stream"], text = "framed" } },
        ]"#,
    )
    .await?;
    let asked = ["--cacert", "{ca}", "--write-out", " %{http_version} %{http_code}", "https://{addr}/"];
    same(&curl(&scene, &asked).await?, "framed 2 203")
}

async fn curl_passes_the_proxy() -> Result<(), String> {
    let scene = Scene::open(
        r#"
        expect = {}
        [server]
        tls = {}
        script = [{ hear = "head" }, { say = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nthrough" }]
        [peer.proxy]
        script = [
            { hear = "CONNECT {addr} HTTP/1.1\r\n" },
            { hear = "head" },
            { say = "HTTP/1.1 200 OK\r\n\r\n" },
            { tunnel = "{addr}" },
        ]"#,
    )
    .await?;
    let asked = ["--cacert", "{ca}", "--proxy", "http://{proxy.addr}", "https://{addr}/"];
    same(&curl(&scene, &asked).await?, "through")
}

async fn curl_fetches_by_ftp() -> Result<(), String> {
    let scene = Scene::open(
        r#"
        expect = {}
        [server]
        tls = {}
        script = [
            { say = "220-lab\r\n hello\r\n220 ready\r\n" }, { hear = "AUTH SSL\r\n" }, { say = "500 no\r\n" },
            { hear = "AUTH TLS\r\n" }, { say = "234 go\r\n" }, "starttls",
            { hear = "USER anonymous\r\n" }, { say = "331 password\r\n" },
            { hear = "PASS ftp@example.com\r\n" }, { say = "230 in\r\n" },
            { hear = "PBSZ 0\r\n" }, { say = "200 ok\r\n" }, { hear = "PROT P\r\n" }, { say = "200 ok\r\n" },
            { hear = "PWD\r\n" }, { say = "257 \"/\"\r\n" },
            { hear = "EPSV\r\n" }, { say = "500 no\r\n" },
            { hear = "PASV\r\n" }, { say = "227 ok (127,0,0,1,{data.p1p2})\r\n" },
            { hear = "TYPE I\r\n" }, { say = "200 ok\r\n" }, { hear = "SIZE a\r\n" }, { say = "213 4\r\n" },
            { hear = "RETR a\r\n" }, { say = "150 here\r\n" }, { say = "226 sent\r\n" },
            { hear = "QUIT\r\n" }, { say = "221 bye\r\n" },
        ]
        [peer.data]
        tls = {}
        script = [{ say = "data" }, "close"]"#,
    )
    .await?;
    same(&curl(&scene, &["--ssl-reqd", "--cacert", "{ca}", "ftp://{addr}/a"]).await?, "data")
}

async fn curl_waits_for_a_stuck_port() -> Result<(), String> {
    let scene = Scene::open("expect = {}\n[server]\nkind = \"stuck\"").await?;
    let ended = curl(&scene, &["--connect-timeout", "0.4", "http://{addr}/"]).await;
    // 28 is CURLE_OPERATION_TIMEDOUT.
    match ended {
        Err(why) if why.contains("exit status: 28") => Ok(()),
        other => Err(format!("curl ended with {other:?}")),
    }
}

async fn openssl_finds_each_defect() -> Result<(), String> {
    let mut wrong = Vec::new();
    for (recipe, number) in DEFECTS {
        let scene = Scene::open(&format!("expect = {{}}\n[server]\ntls = {{ certificate = \"{recipe}\" }}")).await?;
        let name = if recipe == "name_constraints" { "-verify_hostname=lab.test" } else { "-verify_ip=127.0.0.1" };
        let (flag, name) = name.split_once('=').unwrap_or_default();
        let asked =
            ["s_client", "-connect", "{addr}", "-CAfile", "{ca}", "-x509_strict", "-purpose", "sslserver", flag, name];
        let said = run("openssl", &scene, &asked).await?;
        let line = said.lines().find_map(|line| line.trim().strip_prefix("Verify return code: ")).unwrap_or(&said);
        if !line.starts_with(&format!("{number} ")) {
            wrong.push(format!("  {recipe}: expected {number}, openssl says {line}"));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

async fn curl(scene: &Scene, arguments: &[&str]) -> Result<String, String> {
    let fixed = ["--silent", "--show-error", "--noproxy", "", "--max-time", "10"];
    // `--proxy` means what it says only where nothing is excepted from it.
    let fixed = if arguments.contains(&"--proxy") {
        ["--silent", "--show-error", "--max-time", "10"].as_slice()
    } else {
        &fixed
    };
    run("curl", scene, &[fixed, arguments].concat()).await
}

/// Runs a client and gives what it printed; its failure is an error.
async fn run(program: &str, scene: &Scene, arguments: &[&str]) -> Result<String, String> {
    let arguments: Vec<String> =
        arguments.iter().map(|argument| scene.places.fill(argument)).collect::<Result<_, _>>()?;
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .map_err(|error| format!("the lab is checked with Debian's {program}: {error}"))?;
    let (said, words) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // `s_client` ends with an error of its own where it read no input.
    if output.status.success() || program == "openssl" {
        return Ok(said.into_owned());
    }
    Err(format!("{program}: {}: {words}", output.status))
}

fn same(said: &str, expected: &str) -> Result<(), String> {
    if said == expected { Ok(()) } else { Err(format!("expected {expected:?}, got {said:?}")) }
}
