//! Plain HTTP, byte by byte.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::Relay;

/// An answer as it came.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let of =
            |line: &&str| line.split_once(':').is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
        Some(self.head.lines().find(of)?.split_once(':')?.1.trim())
    }
}

/// Asks with further header lines.
pub fn ask(relay: &Relay, path: &str, lines: &str) -> Answer {
    let mut stream = TcpStream::connect(relay.address).expect("the port answers on TCP");
    let host = if lines.contains("Host:") { "" } else { "Host: localhost\r\n" };
    write!(stream, "GET {path} HTTP/1.1\r\n{host}Connection: close\r\n{lines}\r\n").expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("answered");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head and a body");
    let head = String::from_utf8(bytes[..end].to_vec()).expect("text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head, body: bytes[end + 4..].to_vec() }
}

/// Asks for JSON.
pub fn json(relay: &Relay, path: &str) -> Value {
    let answer = ask(relay, path, "");
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
    serde_json::from_slice(&answer.body).expect("JSON")
}
