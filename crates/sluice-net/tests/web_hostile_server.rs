//! Our WebTransport client against scripted HTTP/3 servers.
//!
//! The server is raw QUIC with ALPN `h3`: the scripts write HTTP/3 by hand.

mod support;

use std::time::Duration;

use sluice_net::NetEvent;
use sluice_proto::transport::{CloseReason, StreamId, StreamKind, Transport, TransportEvent};
use support::{World, limits, read, web, write};

const CONTROL: &[u8] = &[0x00];
/// SETTINGS with draft-02's enabling alone.
const SETTINGS: &[u8] = &[0x04, 0x05, 0xab, 0x60, 0x37, 0x42, 0x01];
/// HEADERS with status 200 alone.
const ACCEPT: &[u8] = &[0x01, 0x03, 0x00, 0x00, 0xd9];

#[test]
fn one_generation_of_settings_and_a_bare_200_make_a_session() {
    let mut script = Script::new();
    script.uni(&[CONTROL, SETTINGS].concat());
    let request = script.connect_request();
    for part in [&b"/moq?room=1"[..], b"localhost:4433", b"\"new\", \"old\""] {
        assert!(request.windows(part.len()).any(|window| window == part), "{part:?}");
    }
    script.answer(ACCEPT);
    let info = script.world.client.info().expect("a session");
    assert_eq!(info.protocol, None);
}

#[test]
fn an_interim_response_is_waited_out_and_an_unoffered_protocol_ignored() {
    let mut script = Script::new();
    script.uni(&[CONTROL, SETTINGS].concat());
    let interim = [0x01, 0x03, 0x00, 0x00, 0xd8];
    let field = b"wt-protocol";
    let value = b"\"surprise\"";
    let mut accept = vec![0x00, 0x00, 0xd9, 0x27, field.len() as u8 - 7];
    accept.extend_from_slice(field);
    accept.push(value.len() as u8);
    accept.extend_from_slice(value);
    script.answer(&interim);
    assert!(script.world.client.info().is_none());
    script.answer(&[&[0x01, accept.len() as u8][..], &accept].concat());
    assert_eq!(script.world.client.info().expect("a session").protocol, None);
}

#[test]
fn a_server_without_webtransport_is_named_as_such() {
    let mut script = Script::new();
    script.uni(&[CONTROL, &[0x04, 0x02, 0x08, 0x01]].concat());
    script.expect_failure("does not offer WebTransport");
}

#[test]
fn a_refused_request_tells_its_status() {
    let mut script = Script::new();
    script.uni(&[CONTROL, SETTINGS].concat());
    script.answer(&[0x01, 0x03, 0x00, 0x00, 0xdb]);
    script.expect_failure("status 404");
}

#[test]
fn a_server_that_never_answers_is_given_up() {
    let mut script = Script::new();
    script.uni(&[CONTROL, SETTINGS].concat());
    script.world.run(limits().handshake_timeout + Duration::from_secs(1));
    script.expect_failure("too long");
}

#[test]
fn streams_that_overtake_the_response_are_held() {
    let mut script = Script::new();
    script.uni(&[CONTROL, SETTINGS].concat());
    let early = script.uni(&[0x40, 0x54, 0x00, b'e']);
    let early_bidi = script.world.server().open(StreamKind::Bidi).unwrap();
    write(&mut script.world.server(), early_bidi, &[0x40, 0x41, 0x00, b'b']);
    script.answer(ACCEPT);
    assert_eq!(script.world.client.opened(), [early, early_bidi]);
    assert_eq!(read(&mut script.world.client(), early).0, b"e");
    assert_eq!(read(&mut script.world.client(), early_bidi).0, b"b");
}

#[test]
fn a_goaway_is_a_draining() {
    let mut script = Script::new();
    let control = script.uni(&[CONTROL, SETTINGS].concat());
    script.answer(ACCEPT);
    write(&mut script.world.server(), control, &[0x07, 0x01, 0x04]);
    script.world.settle();
    assert_eq!(script.world.client.seen, [TransportEvent::Draining]);
}

struct Script {
    world: World,
}

impl Script {
    fn new() -> Script {
        let mut world = World::with_protocols(limits(), limits(), &["h3"]);
        world.client.key = Some(world.dial(web(&["new", "old"])));
        world.settle();
        Script { world }
    }

    fn uni(&mut self, bytes: &[u8]) -> StreamId {
        let stream = self.world.server().open(StreamKind::Uni).unwrap();
        write(&mut self.world.server(), stream, bytes);
        self.world.settle();
        stream
    }

    /// The client's one request, on the first bidirectional stream.
    fn connect_request(&mut self) -> Vec<u8> {
        read(&mut self.world.server(), StreamId(0)).0
    }

    fn answer(&mut self, response: &[u8]) {
        write(&mut self.world.server(), StreamId(0), response);
        self.world.settle();
    }

    fn expect_failure(&self, what: &str) {
        let [NetEvent::Closed { reason: CloseReason::Transport(told), .. }] =
            &self.world.client.events[..]
        else {
            panic!("{:?}", self.world.client.events);
        };
        assert!(told.contains(what), "{told}");
    }
}
