//! A real browser without a window, spoken to over a pipe in its own protocol (CDP): no port, no
//! driver, nothing else to install.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longer than anything here takes, on the slowest machine.
const DEADLINE: Duration = Duration::from_mins(1);

/// A browser with one page, ended with the test.
pub(crate) struct Chromium {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    page: String,
    number: u64,
    /// What the page complained of: errors, warnings, what it tried to fetch.
    pub(crate) said: Vec<String>,
    _profile: tempfile::TempDir,
}

/// The program's name on this machine.
fn program() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    names.into_iter().find(|name| {
        let asked = Command::new(name).arg("--version").stderr(Stdio::null()).output();
        asked.is_ok_and(|output| output.status.success())
    })
}

/// Messages end in a zero byte.
fn read(mut from: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut buffer = Vec::new();
        let mut chunk = vec![0; 65_536];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            buffer.extend_from_slice(&chunk[..count]);
            while let Some(end) = buffer.iter().position(|&byte| byte == 0) {
                let message = buffer.drain(..=end).collect::<Vec<u8>>();
                let Ok(message) = serde_json::from_slice(&message[..end]) else { continue };
                if sender.send(message).is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

impl Chromium {
    /// Starts it; `None`, with a word on why, where there is none.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = program() else {
            eprintln!("skipped: no Chromium on this machine");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        // Its pipe is at the descriptors 3 and 4. Whoever runs tests as root has no sandbox.
        let line = format!(
            "exec {program} --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage \
             --no-first-run --remote-debugging-pipe --user-data-dir={} --window-size=1280,900 \
             about:blank 3<&0 4>&1 </dev/null >/dev/null 2>&1",
            profile.path().display()
        );
        let mut child = Command::new("sh")
            .args(["-c", &line])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let from = read(child.stdout.take().unwrap());
        let (page, said) = (String::new(), Vec::new());
        let mut this = Self { child, to, from, page, number: 0, said, _profile: profile };
        this.attach();
        Some(this)
    }

    fn attach(&mut self) {
        let begun = Instant::now();
        let target = loop {
            let targets = self.call("Target.getTargets", &json!({}));
            let targets = targets["targetInfos"].as_array().unwrap().clone();
            if let Some(page) = targets.iter().find(|target| target["type"] == "page") {
                break page["targetId"].clone();
            }
            assert!(begun.elapsed() < DEADLINE, "no page: {targets:?}");
            std::thread::sleep(Duration::from_millis(50));
        };
        let asked = json!({ "targetId": target, "flatten": true });
        let page = self.call("Target.attachToTarget", &asked);
        page["sessionId"].as_str().unwrap().clone_into(&mut self.page);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), &json!({}));
        }
    }

    /// Asks for something and waits for the answer.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": params });
        if !self.page.is_empty() {
            message["sessionId"] = self.page.clone().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        self.to.flush().unwrap();
        loop {
            let mut answer = self.from.recv_timeout(DEADLINE).expect("an answer of the browser");
            if answer["id"] == self.number {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        let method = event["method"].as_str().unwrap_or_default();
        let complaint = match method {
            "Runtime.exceptionThrown" | "Log.entryAdded" | "Runtime.consoleAPICalled" => true,
            "Network.requestWillBeSent" => {
                let address = event["params"]["request"]["url"].as_str().unwrap_or_default();
                !address.starts_with("file:///") && !address.starts_with("about:")
            }
            _ => false,
        };
        if complaint {
            self.said.push(event.to_string());
        }
    }

    /// Opens a file, with the colours that the user is said to prefer.
    pub(crate) fn open(&mut self, path: &Path, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call("Emulation.setEmulatedMedia", &json!({ "features": [feature] }));
        let address = format!("file://{}", path.display());
        self.call("Page.navigate", &json!({ "url": address }));
        let loaded = format!("document.readyState === 'complete' && location.href === '{address}'");
        self.wait_for(&loaded);
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", &asked);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Waits until an expression holds.
    pub(crate) fn wait_for(&mut self, expression: &str) {
        let begun = Instant::now();
        while self.value(expression) != true {
            assert!(begun.elapsed() < DEADLINE, "never: {expression}\n{:?}", self.said);
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Moves the mouse, presses it or lets it go, as a hand does.
    pub(crate) fn mouse(&mut self, kind: &str, (x, y): (f64, f64), clicks: u8) {
        let pressed = kind != "mouseMoved" || clicks > 0;
        let button = if pressed { "left" } else { "none" };
        let buttons = u8::from(pressed && kind != "mouseReleased");
        let asked = json!({
            "type": kind, "x": x, "y": y, "button": button, "buttons": buttons, "clickCount": clicks
        });
        self.call("Input.dispatchMouseEvent", &asked);
    }

    /// The whole page as a picture (PNG, in base64).
    pub(crate) fn picture(&mut self) -> String {
        let asked = json!({ "captureBeyondViewport": true });
        let answer = self.call("Page.captureScreenshot", &asked);
        answer["data"].as_str().unwrap().to_owned()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // Its other processes end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
