//! The built tools, started for a test and ended with it.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A running `sluice` command whose streams are pipes.
pub struct Tool {
    child: Child,
    name: String,
}

/// How a tool ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it said.
    pub errors: String,
}

impl Tool {
    /// Starts it.
    pub fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Tool {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let name = format!("{command:?}");
        Tool { child: command.spawn().expect("the tool starts"), name }
    }

    /// Its standard input.
    pub fn input(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("its input was not taken before")
    }

    /// Gives it all of its input.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input().write_all(bytes).expect("the tool reads its input");
    }

    /// Its standard output.
    pub fn output(&mut self) -> ChildStdout {
        self.child.stdout.take().expect("its output was not taken before")
    }

    /// Sends a signal, such as `INT`.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(id).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        drop(self.child.stdin.take());
        let mut errors = String::new();
        let mut stderr = self.child.stderr.take().expect("its errors are piped");
        stderr.read_to_string(&mut errors).expect("it writes text");
        let code = self.child.wait().expect("it ends").code();
        Ended { code, errors }
    }

    /// Waits for its end, which must be with this code.
    pub fn end_with(self, code: i32) -> Ended {
        let name = self.name.clone();
        let ended = self.end();
        assert_eq!(ended.code, Some(code), "{name}: {}", ended.errors);
        ended
    }

    /// Waits for its end, which must be a success, and returns what it wrote.
    pub fn written(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.output().read_to_end(&mut bytes).expect("its output is read");
        self.end_with(0);
        bytes
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking()
            && let Some(mut stderr) = self.child.stderr.take()
        {
            let mut errors = String::new();
            let _ = stderr.read_to_string(&mut errors);
            eprintln!("{}: {errors}", self.name);
        }
    }
}

/// A path for a file of a test.
pub fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}
