//! The pages in Debian's Firefox, which cannot offer protocols and so speaks draft 14. It is driven over
//! Marionette: commands and answers are JSON behind their length.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::browser;
use crate::pages::{Demo, PIXELS};
use crate::support::Relay;

const PROGRAM: &str = "firefox-esr";
/// A machine that is busy with other things may take this long.
const PATIENCE: Duration = Duration::from_secs(240);
/// A camera that is made up, no questions, nothing that needs a click, no calls home.
const PREFERENCES: &str = r#"user_pref("marionette.port", 0);
user_pref("media.navigator.streams.fake", true);
user_pref("media.navigator.permission.disabled", true);
user_pref("media.autoplay.default", 0);
user_pref("app.update.enabled", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
"#;

/// A running Firefox with one window.
struct Firefox {
    child: Child,
    connection: TcpStream,
    last_id: u64,
    _profile: tempfile::TempDir,
}

impl Firefox {
    /// None where it is not installed.
    fn start() -> Option<Firefox> {
        let profile = tempfile::tempdir().expect("a directory for the profile");
        std::fs::write(profile.path().join("user.js"), PREFERENCES).expect("written");
        let mut command = Command::new(PROGRAM);
        browser::firefox(&mut command, profile.path());
        command.arg("--marionette").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let Ok(mut child) = command.spawn() else {
            eprintln!("no {PROGRAM} here: nothing was tested");
            return None;
        };
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut lines = output.lines().map_while(Result::ok);
        let port = lines.find_map(|line| line.split_once("Listening on port ")?.1.parse().ok());
        // What else it says is let go.
        std::thread::spawn(move || lines.for_each(drop));
        let address = (Ipv4Addr::LOCALHOST, port.expect("it listens"));
        let connection = TcpStream::connect(address).expect("it answers");
        connection.set_read_timeout(Some(2 * PATIENCE)).expect("a timeout");
        let mut firefox = Firefox { child, connection, last_id: 0, _profile: profile };
        firefox.message();
        firefox.call("WebDriver:NewSession", json!({}));
        let patience = u64::try_from(PATIENCE.as_millis()).expect("milliseconds");
        firefox.call("WebDriver:SetTimeouts", json!({ "script": patience, "pageLoad": patience }));
        Some(firefox)
    }

    fn open(&mut self, url: &str) {
        self.call("WebDriver:Navigate", json!({ "url": url }));
    }

    /// Opens a page in a window of its own, which is the one that is asked from then on.
    fn open_beside(&mut self, url: &str) {
        let window = self.call("WebDriver:NewWindow", json!({ "type": "window" }));
        self.call("WebDriver:SwitchToWindow", json!({ "handle": window["handle"] }));
        self.open(url);
    }

    /// Waits until an expression is something else than false, nothing or 0, and returns it.
    fn wait(&mut self, expression: &str) -> Value {
        let script = format!(
            "const [done] = arguments;
             (function look() {{
                 let value;
                 try {{ value = {expression}; }} catch {{}}
                 if (value) done(value); else setTimeout(look, 100);
             }})();"
        );
        let asked = json!({ "script": script, "args": [], "sandbox": null });
        loop {
            match self.try_call("WebDriver:ExecuteAsyncScript", asked.clone()) {
                Ok(answer) => return answer["value"].clone(),
                // One page gave way to the next.
                Err(error) if error.to_string().contains("unloaded") => {}
                Err(error) => panic!("{expression}: {error}"),
            }
        }
    }

    fn pictures_move(&mut self, times: usize) {
        let mut seen = self.wait(PIXELS);
        for _ in 0..times {
            seen = self.wait(&format!("{PIXELS} === {seen} ? 0 : {PIXELS}"));
        }
    }

    fn call(&mut self, command: &str, parameters: Value) -> Value {
        let answer = self.try_call(command, parameters);
        answer.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    fn try_call(&mut self, command: &str, parameters: Value) -> Result<Value, Value> {
        self.last_id += 1;
        let text = json!([0, self.last_id, command, parameters]).to_string();
        let sent = self.connection.write_all(format!("{}:{text}", text.len()).as_bytes());
        sent.expect("it takes commands");
        let Value::Array(answer) = self.message() else { panic!("no answer to {command}") };
        match &answer[..] {
            [_, _, Value::Null, result] => Ok(result.clone()),
            [_, _, error, _] => Err(error.clone()),
            other => panic!("an answer to {command}: {other:?}"),
        }
    }

    fn message(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut byte = [0];
            self.connection.read_exact(&mut byte).expect("it answers in time");
            match byte[0] {
                b':' => break,
                digit => length = length * 10 + usize::from(digit - b'0'),
            }
        }
        let mut text = vec![0; length];
        self.connection.read_exact(&mut text).expect("it answers in time");
        serde_json::from_slice(&text).expect("JSON")
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        // Its other processes end when this one is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn firefox_plays_the_demo() {
    let Some(mut firefox) = Firefox::start() else { return };
    let demo = Demo::start();
    firefox.open(&demo.page("player.html"));
    firefox.pictures_move(5);
    assert_eq!(firefox.wait("sluicePlayer.session.draft.number"), 14);
    firefox.open(&demo.page(""));
    firefox.wait("document.querySelectorAll('#steps [data-state=good]').length === 5");
}

/// Without a sound device its microphone stays silent; the pictures come all the same.
#[test]
fn firefox_publishes_a_camera_and_plays_it() {
    let Some(mut firefox) = Firefox::start() else { return };
    let relay = Relay::start(&[]);
    let address = relay.address;
    firefox.open(&format!("http://{address}/encoder.html?namespace=live/fox&height=240"));
    firefox.wait(
        "!document.querySelector('#start').disabled && document.querySelector('#codec').value",
    );
    firefox.wait("document.querySelector('#start').click() ?? true");
    firefox.wait("sluiceBroadcast.state.phase === 'live'");
    firefox.open_beside(&format!("http://{address}/player.html?namespace=live/fox"));
    firefox.pictures_move(5);
    firefox.wait("document.querySelector('#live').textContent.includes('live/fox')");
}
