//! A Chromium without a window, told what to do over `WebDriver`, which is JSON over HTTP.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::client::{self, PATIENCE};

/// A browser at work; it ends with this.
pub struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
}

impl Browser {
    /// Starts one.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("page-").tempdir_in(env!("CARGO_TARGET_TMPDIR"));
        let folder = folder.expect("a folder for the browser").keep();
        // Ends the driver and removes the folder when this test is done, or killed.
        let mut driver = Command::new(here("tests/stack/attend"))
            .arg(&folder)
            .arg(find("chromedriver"))
            .args(["--port=0", "--log-level=WARNING"])
            .env("HOME", &folder)
            .env("TMPDIR", &folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver can be run");
        let mut said = BufReader::new(driver.stdout.take().expect("its output is a pipe")).lines();
        let port = said.find_map(|line| {
            line.ok()?.split_once("started successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok()
        });
        let port = port.expect("chromedriver did not start: try it by hand");
        // It goes on talking, to nobody.
        std::thread::spawn(move || said.for_each(drop));
        let mut browser = Self { driver, address: SocketAddr::from(([127, 0, 0, 1], port)), session: String::new() };
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
            "goog:chromeOptions": {"binary": find("chromium"), "args": [
                "--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
                // What it shows is our own; root and containers have no sandbox to offer.
                "--no-sandbox",
                // It ends with the driver, whatever ends that.
                "--remote-debugging-pipe",
                // Nothing beyond loopback, whatever a page or the browser itself would like.
                "--disable-background-networking", "--disable-component-update", "--no-proxy-server",
                "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
            ]},
        }}});
        let session = browser.tell("POST", "/session", &wanted);
        session["sessionId"].as_str().expect("a session has an id").clone_into(&mut browser.session);
        browser
    }

    fn tell(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = client::send(self.address, method, path, &body.to_string());
        let mut said: Value = serde_json::from_str(&answer.body).expect("WebDriver speaks JSON");
        assert_eq!(answer.status, 200, "{method} {path} {body}: {said:#}");
        said["value"].take()
    }

    fn within(&self, path: &str, body: &Value) -> Value {
        self.tell("POST", &format!("/session/{}/{path}", self.session), body)
    }

    /// A command of Chromium's own protocol.
    pub fn chromium(&self, command: &str, parameters: &Value) -> Value {
        self.within("goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Opens a page and waits until it is loaded.
    pub fn open(&self, address: SocketAddr, path: &str) {
        self.within("url", &json!({"url": format!("http://{address}{path}")}));
    }

    /// The value of an expression of JavaScript on the page.
    pub fn value(&self, expression: &str) -> Value {
        self.within("execute/sync", &json!({"script": format!("return {expression};"), "args": []}))
    }

    /// The same where it is a text.
    pub fn text(&self, expression: &str) -> String {
        let value = self.value(expression);
        value.as_str().unwrap_or_else(|| panic!("{expression} is no text but {value}")).to_owned()
    }

    /// The same where it is a list of texts.
    pub fn texts(&self, expression: &str) -> Vec<String> {
        let value = self.value(expression);
        let list = value.as_array().unwrap_or_else(|| panic!("{expression} is no list but {value}"));
        list.iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The same where it is a whole number.
    pub fn number(&self, expression: &str) -> i64 {
        let value = self.value(expression);
        value.as_i64().unwrap_or_else(|| panic!("{expression} is no whole number but {value}"))
    }

    /// Waits until an expression is true.
    pub fn wait_for(&self, expression: &str) {
        let begun = Instant::now();
        while self.value(expression) != Value::Bool(true) {
            assert!(begun.elapsed() < PATIENCE, "it does not come to {expression}:\n{}", self.html());
        }
    }

    /// The page as it is now, whether or not it may run scripts.
    pub fn html(&self) -> String {
        let root = &self.chromium("DOM.getDocument", &json!({"depth": 0}))["root"]["nodeId"];
        let html = self.chromium("DOM.getOuterHTML", &json!({"nodeId": root}));
        html["outerHTML"].as_str().unwrap_or_default().to_owned()
    }

    /// What the page looks like: how wide it is, and in which colours.
    pub fn wear(&self, width: u32, colours: &str) {
        let size = json!({"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": false});
        self.chromium("Emulation.setDeviceMetricsOverride", &size);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": colours}]});
        self.chromium("Emulation.setEmulatedMedia", &features);
    }

    /// A picture of the whole page in a file.
    pub fn picture(&self, file: &Path) {
        let shot = self.chromium("Page.captureScreenshot", &json!({"captureBeyondViewport": true}));
        let data = shot["data"].as_str().expect("a picture is Base64");
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).expect("a picture is Base64");
        fs::write(file, bytes).expect("a picture can be kept");
    }

    /// Presses the key Tab.
    pub fn tab(&self) {
        for kind in ["keyDown", "keyUp"] {
            let key = json!({"type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9});
            self.chromium("Input.dispatchKeyEvent", &key);
        }
    }

    /// What the browser had to complain of since this was asked last: errors, and what the policy forbade.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.within("se/log", &json!({"type": "browser"}));
        log.as_array().into_iter().flatten().map(Value::to_string).collect()
    }

    /// Every address that was asked for since this was asked last.
    pub fn requests(&self) -> Vec<String> {
        let log = self.within("se/log", &json!({"type": "performance"}));
        let messages = log.as_array().into_iter().flatten().filter_map(|entry| entry["message"].as_str());
        let messages = messages.filter_map(|text| serde_json::from_str::<Value>(text).ok());
        messages
            .filter(|message| message["message"]["method"] == "Network.requestWillBeSent")
            .filter_map(|message| message["message"]["params"]["request"]["url"].as_str().map(str::to_owned))
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Tells Chromium to go; the driver goes with the pipe.
        if !self.session.is_empty() {
            _ = client::send(self.address, "DELETE", &format!("/session/{}", self.session), "");
        }
        drop(self.driver.stdin.take());
        let _ = self.driver.wait();
    }
}

/// A file of this repository.
pub fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// A program of the system, or what `tests/stack/get` unpacked.
fn find(program: &str) -> PathBuf {
    let mut folders: Vec<PathBuf> = env::var_os("PATH").iter().flat_map(env::split_paths).collect();
    folders.push(here("tests/stack/.cache/bin"));
    let found = folders.into_iter().map(|folder| folder.join(program)).find(|file| file.is_file());
    found.unwrap_or_else(|| {
        panic!(
            "{program} is missing, which this test needs: run tests/stack/get, or apt-get install chromium \
             chromium-driver"
        )
    })
}
