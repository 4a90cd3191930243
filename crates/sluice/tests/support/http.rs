//! Plain HTTP, byte by byte.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;

use super::{Relay, tls};

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
    exchange(connect(relay), path, lines)
}

/// The same by HTTPS, from a relay whose certificate is the one that it told.
pub fn ask_securely(relay: &Relay, path: &str, lines: &str) -> Answer {
    let config = Arc::new(tls::client_config(Some(relay.certificate)));
    let name = "localhost".try_into().expect("a name");
    let tls = ClientConnection::new(config, name).expect("TLS");
    exchange(StreamOwned::new(tls, connect(relay)), path, lines)
}

fn connect(relay: &Relay) -> TcpStream {
    TcpStream::connect(relay.address).expect("the port answers on TCP")
}

fn exchange(mut stream: impl Read + Write, path: &str, lines: &str) -> Answer {
    let host = if lines.contains("Host:") { "" } else { "Host: localhost\r\n" };
    write!(stream, "GET {path} HTTP/1.1\r\n{host}Connection: close\r\n{lines}\r\n").expect("sent");
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        // The connection is closed without TLS's goodbye.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => {}
        other => drop(other.expect("answered")),
    }
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
