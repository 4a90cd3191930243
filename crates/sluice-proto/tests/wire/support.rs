//! Short ways to write messages and bytes.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sluice_proto::model::{
    FullTrackName, Properties, PropertyEncoding, PropertyValue, RequestId, RequestKind, Token,
    TrackName, TrackNamespace, TrackProperties,
};
use sluice_proto::transport::Side;
use sluice_proto::wire::{About, Context, Draft, Message, RequestTransport, Violation};

pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a hex digit") as u8;
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

pub fn show(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

pub fn namespace(path: &str) -> TrackNamespace {
    TrackNamespace::from_path(path).unwrap()
}

pub fn track(path: &str, name: &str) -> FullTrackName {
    let name = TrackName::new(Bytes::copy_from_slice(name.as_bytes())).unwrap();
    FullTrackName::new(namespace(path), name).unwrap()
}

pub fn ms(milliseconds: u64) -> Option<Duration> {
    Some(Duration::from_millis(milliseconds))
}

/// The token USE_VALUE of type 0.
pub fn token(value: &'static str) -> Token {
    Token::UseValue { kind: 0, value: Bytes::from_static(value.as_bytes()) }
}

pub fn properties(encoding: PropertyEncoding, entries: &[(u64, u64)]) -> TrackProperties {
    let entries = entries.iter().map(|&(kind, value)| (kind, PropertyValue::Int(value)));
    TrackProperties(Properties::from_entries(encoding, entries).unwrap())
}

/// Where the draft has a new request.
pub fn new_request(draft: Draft) -> Context {
    match draft.dialect().requests {
        RequestTransport::ControlStream => Context::control(Side::Client),
        RequestTransport::OwnStream => Context::new_request(Side::Client),
    }
}

/// Where the draft has what follows request `id`, from either side.
pub fn later(draft: Draft, from: Side, id: u64, about: About) -> Context {
    match draft.dialect().requests {
        RequestTransport::ControlStream => Context::control(from).about(about),
        RequestTransport::OwnStream => Context::request(from, RequestId(id), about),
    }
}

pub fn answer(draft: Draft, id: u64, kind: RequestKind) -> Context {
    later(draft, Side::Server, id, About::Request(kind))
}

/// Decodes a whole frame.
pub fn decode(draft: Draft, bytes: &[u8], context: &Context) -> Result<Message, Violation> {
    let mut buf = BytesMut::from(bytes);
    let (kind, body) = draft.dialect().split_frame(&mut buf)?.expect("a whole frame");
    assert!(buf.is_empty(), "the frame has more bytes than its length says");
    draft.dialect().decode(kind, body, context)
}

pub fn encode(draft: Draft, message: &Message, context: &Context) -> Vec<u8> {
    let mut out = BytesMut::new();
    draft.dialect().encode(message, context, &mut out).expect("the draft can say it");
    out.to_vec()
}

/// The same frame with one more byte in its body.
pub fn longer(frame: &[u8], draft: Draft) -> Vec<u8> {
    let head = draft.dialect().integers.read(frame).unwrap().unwrap().1;
    let mut frame = frame.to_vec();
    frame.push(0);
    let length = (frame.len() - head - 2) as u16;
    frame[head..head + 2].copy_from_slice(&length.to_be_bytes());
    frame
}
