//! Chromium, told by the DevTools protocol what to do: one JSON object after the other through a pipe, each ended by a zero byte.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{common::LONG, secure::Certificate};

/// A running browser with one page, and a profile of its own that nobody had before.
pub struct Browser {
    process: Child,
    commands: ChildStdin,
    heard: Receiver<Value>,
    page: Option<String>,
    next: u64,
    _profile: TempDir,
}

/// The program, if this machine has it.
pub fn program() -> Option<&'static str> {
    let is_there = |name: &&str| Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let found = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(is_there);
    if found.is_none() {
        println!("passed over: there is no Chromium on this machine");
    }
    found
}

impl Browser {
    /// Starts it. `places` says at which port of this machine each name is found; no other name is found at all. Of certificates that
    /// nobody has signed, these are believed.
    pub fn start(program: &str, places: &[(&str, u16)], certificates: &[&Certificate]) -> Self {
        let profile = TempDir::new().unwrap();
        let rules = places.iter().map(|(name, port)| format!("MAP {name}:443 127.0.0.1:{port}, ")).collect::<String>();
        let keys: Vec<_> = certificates.iter().map(|certificate| certificate.key_digest.clone()).collect();
        let options = [
            "--headless".to_owned(),
            "--remote-debugging-pipe".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-background-networking".to_owned(),
            "--no-first-run".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--window-size=400,300".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
            format!("--host-resolver-rules={rules}MAP * ~NOTFOUND"),
            format!("--ignore-certificate-errors-spki-list={}", keys.join(",")),
        ];
        // It reads commands at descriptor 3 and writes at 4; whatever else it prints is nobody's.
        let mut process = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 1>&2", "sh", program])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (commands, words) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let (tell, heard) = channel();
        thread::spawn(move || {
            for word in BufReader::new(words).split(0).map_while(Result::ok) {
                if let Ok(word) = serde_json::from_slice(&word)
                    && tell.send(word).is_err()
                {
                    return;
                }
            }
        });
        let mut browser = Self { process, commands, heard, page: None, next: 0, _profile: profile };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }))["targetId"].clone();
        let session = browser.call("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        browser.page = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page.enable", "Network.enable"] {
            browser.call(domain, &json!({}));
        }
        browser
    }

    /// Gives a command and waits for what it gives back.
    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.next += 1;
        let mut command = json!({ "id": self.next, "method": method, "params": parameters });
        if let Some(page) = &self.page {
            command["sessionId"] = json!(page);
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).unwrap();
        let id = json!(self.next);
        let answer = self.hear(|word| word["id"] == id);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn hear(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let word = self.heard.recv_timeout(LONG).expect("the browser says something");
            if is_it(&word) {
                return word;
            }
        }
    }

    /// Goes to an address, as if for the first time, and waits until the page and what it names are there, or have failed.
    pub fn go(&mut self, url: &str) {
        self.call("Network.clearBrowserCache", &json!({}));
        // From a page without a name, so that the next word of a loaded page is the new one's.
        for url in ["about:blank", url] {
            self.call("Page.navigate", &json!({ "url": url }));
            self.hear(|word| word["method"] == "Page.loadEventFired");
        }
    }

    /// Runs an expression in the page, waits for what it promises, and returns it.
    pub fn run(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// The page as it looks, in PNG.
    pub fn picture(&mut self) -> String {
        self.call("Page.captureScreenshot", &json!({ "format": "png" }))["data"].as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _ended = self.process.wait();
    }
}
