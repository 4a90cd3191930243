//! A headless Chromium that is driven and watched over its debugging pipe.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::browser;

/// A machine that is busy with other things may take this long.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often a page is asked whether something is so.
const LOOK: Duration = Duration::from_millis(100);

/// A browser with a camera and a microphone that are made up.
pub struct Devtools {
    child: Child,
    commands: ChildStdin,
    messages: Receiver<Value>,
    events: VecDeque<Value>,
    last_id: u64,
    first: Option<&'static str>,
    _profile: tempfile::TempDir,
}

/// A tab.
#[derive(Clone, Debug)]
pub struct Tab {
    session: String,
}

impl Devtools {
    /// Starts a browser without a page.
    pub fn start() -> Devtools {
        let profile = tempfile::tempdir().expect("a directory for the profile");
        // The pipe is expected at descriptors 3 and 4.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 >/dev/null 2>&1 </dev/null", "chromium"]);
        browser::chromium(&mut command, profile.path());
        command.args([
            "--remote-debugging-pipe",
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            "--autoplay-policy=no-user-gesture-required",
            "about:blank",
        ]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.expect("a shell");
        let commands = child.stdin.take().expect("a pipe");
        let output = child.stdout.take().expect("a pipe");
        let (send, messages) = channel();
        std::thread::spawn(move || {
            let parts = BufReader::new(output).split(0).map_while(Result::ok);
            for part in parts {
                let Ok(message) = serde_json::from_slice(&part) else { return };
                if send.send(message).is_err() {
                    return;
                }
            }
        });
        let events = VecDeque::new();
        Devtools { child, commands, messages, events, last_id: 0, first: None, _profile: profile }
    }

    /// Has a script run in every page before the page's own.
    pub fn run_first(&mut self, script: &'static str) {
        self.first = Some(script);
    }

    /// Opens a page of this size in pixels.
    pub fn open(&mut self, url: &str, size: (u32, u32)) -> Tab {
        let target = self.call(None, "Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = self.call(None, "Target.attachToTarget", attach);
        let tab = Tab { session: session["sessionId"].as_str().expect("a session").to_owned() };
        for domain in ["Runtime.enable", "Log.enable", "Page.enable"] {
            self.on(&tab, domain, json!({}));
        }
        self.resize(&tab, size);
        if let Some(script) = self.first {
            let source = json!({ "source": script });
            self.on(&tab, "Page.addScriptToEvaluateOnNewDocument", source);
        }
        self.on(&tab, "Page.navigate", json!({ "url": url }));
        tab
    }

    /// Gives a page another size.
    pub fn resize(&mut self, tab: &Tab, (width, height): (u32, u32)) {
        let mobile = width < 600;
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.on(tab, "Emulation.setDeviceMetricsOverride", metrics);
    }

    /// What an expression, or a promise, comes to.
    pub fn eval(&mut self, tab: &Tab, expression: &str) -> Value {
        self.try_eval(tab, expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// The same, where the page may be about to become another one.
    fn try_eval(&mut self, tab: &Tab, expression: &str) -> Result<Value, Value> {
        let asked = json!({
            "expression": expression,
            "awaitPromise": true,
            "returnByValue": true,
            "userGesture": true,
        });
        let answer = self.try_call(Some(&tab.session), "Runtime.evaluate", asked)?;
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        Ok(answer["result"]["value"].clone())
    }

    /// Waits until an expression is something else than false, nothing or 0, and returns it.
    pub fn wait(&mut self, tab: &Tab, expression: &str) -> Value {
        let begun = Instant::now();
        // A page that is still loading has not everything that the expression names.
        let guarded =
            format!("(() => {{ try {{ return {expression} }} catch {{ return false }} }})()");
        loop {
            // Nothing can be asked in the moment in which one page gives way to the next.
            let value = self.try_eval(tab, &guarded).unwrap_or(Value::Null);
            if !matches!(value, Value::Null | Value::Bool(false)) && value != json!(0) {
                return value;
            }
            if begun.elapsed() > PATIENCE {
                let why = self.eval(tab, "document.body?.innerText");
                panic!(
                    "not in time: {expression}; the page says {why}; {:#?}",
                    self.complaints(tab)
                );
            }
            let _ = self.next_message(LOOK);
        }
    }

    /// Presses and releases a key, as a keyboard does: with what it does of itself.
    pub fn press(&mut self, tab: &Tab, key: &str) {
        let (number, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            " " => (32, " "),
            "End" => (35, ""),
            "Home" => (36, ""),
            "ArrowLeft" => (37, ""),
            "ArrowUp" => (38, ""),
            "ArrowRight" => (39, ""),
            "ArrowDown" => (40, ""),
            letter => (0, letter),
        };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let code = if key == " " { "Space" } else { key };
            let event = json!({ "type": kind, "key": key, "code": code, "text": text,
                "windowsVirtualKeyCode": number });
            self.on(tab, "Input.dispatchKeyEvent", event);
        }
    }

    /// Errors on a page's console so far.
    pub fn complaints(&mut self, tab: &Tab) -> Vec<String> {
        while self.next_message(Duration::ZERO) {}
        let of_tab = self.events.iter().filter(|event| event["sessionId"] == *tab.session);
        let complaint = |event: &Value| match event["method"].as_str()? {
            "Runtime.exceptionThrown" => Some(event["params"]["exceptionDetails"].to_string()),
            "Log.entryAdded" if event["params"]["entry"]["level"] == "error" => {
                Some(event["params"]["entry"].to_string())
            }
            "Runtime.consoleAPICalled" if event["params"]["type"] == "error" => {
                Some(event["params"]["args"].to_string())
            }
            _ => None,
        };
        of_tab.filter_map(complaint).collect()
    }

    /// A command to a tab.
    pub fn on(&mut self, tab: &Tab, method: &str, params: Value) -> Value {
        self.call(Some(&tab.session), method, params)
    }

    fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        let answer = self.try_call(session, method, params);
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The same, where the browser may refuse.
    fn try_call(
        &mut self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<Value, Value> {
        self.last_id += 1;
        let id = self.last_id;
        let mut command = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            command["sessionId"] = json!(session);
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).expect("the browser runs");
        self.commands.flush().expect("the browser runs");
        let begun = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let message = self.messages.recv_timeout(left);
            let message = message.unwrap_or_else(|_| panic!("chromium does not answer {method}"));
            if message["id"] != id {
                self.events.push_back(message);
                continue;
            }
            return match message.get("error") {
                Some(error) => Err(error.clone()),
                None => Ok(message["result"].clone()),
            };
        }
    }

    /// Takes in what comes within this time; whether something did.
    fn next_message(&mut self, within: Duration) -> bool {
        match self.messages.recv_timeout(within) {
            Ok(message) => {
                self.events.push_back(message);
                true
            }
            Err(_) => false,
        }
    }
}

impl Drop for Devtools {
    fn drop(&mut self) {
        // Its other processes end when this one is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
