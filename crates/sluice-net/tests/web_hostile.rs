//! Scripted HTTP/3 clients that do what browsers, old libraries and attackers do.
//!
//! The client is raw QUIC with ALPN `h3`: the scripts write HTTP/3 by hand.

mod support;

use std::time::Duration;

use bytes::Bytes;
use sluice_net::NetLimits;
use sluice_proto::transport::{
    CloseReason, Read, StreamError, StreamId, StreamKind, Transport, TransportEvent,
};
use support::{GENEROUS, LATENCY, World, limits, read, write};

const FRAME_DATA: u64 = 0x00;
const FRAME_HEADERS: u64 = 0x01;
const FRAME_SETTINGS: u64 = 0x04;
const CAPSULE_CLOSE: u64 = 0x2843;
const CAPSULE_DRAIN: u64 = 0x78ae;
const ENABLE_CONNECT: (u64, u64) = (0x08, 1);
const ENABLE_DATAGRAM: (u64, u64) = (0x33, 1);
const ENABLE_WEBTRANSPORT: (u64, u64) = (0x2b60_3742, 1);
const BUFFERED_STREAM_REJECTED: u64 = 0x3994_bd84;
const SESSION_GONE: u64 = 0x170d_7b68;
const REQUEST_REJECTED: u64 = 0x10b;
const REQUEST_INCOMPLETE: u64 = 0x10d;
const EXCESSIVE_LOAD: u64 = 0x107;

#[test]
fn each_generation_of_settings_alone_is_enough() {
    let generations = [0x2b60_3742, 0x2b60_3743, 0xc671_706a, 0x14e9_cd29, 0x2c7c_f000];
    for generation in generations {
        let mut script = Script::new();
        script.settings(&[(generation, 1)]);
        script.connect(&[]);
        script.expect_session();
    }
}

#[test]
fn the_settings_offer_every_generation() {
    let mut script = Script::new();
    script.world.settle();
    let control = script.world.client.opened()[0];
    let (bytes, _) = read(&mut script.world.client(), control);
    assert_eq!(bytes[..2], [0x00, 0x04]);
    for generation in [0x2b60_3742, 0x2b60_3743, 0xc671_706a, 0x14e9_cd29, 0x2c7c_f000] {
        let setting = [varint(generation), varint(1)].concat();
        assert!(bytes.windows(setting.len()).any(|bytes| bytes == setting), "{generation:#x}");
    }
}

#[test]
fn a_client_of_draft_02_is_answered_as_it_expects() {
    for (fields, answered) in [(&[("sec-webtransport-http3-draft02", "1")][..], true), (&[], false)]
    {
        let mut script = Script::new();
        script.settings(&[ENABLE_WEBTRANSPORT]);
        let stream = script.connect(fields);
        let response = script.response(stream);
        assert_eq!(contains(&response, b"draft02"), answered);
    }
}

#[test]
fn the_protocol_list_may_come_in_pieces_and_if_malformed_is_ignored() {
    let two_lines = [("wt-available-protocols", "\"x\""), ("wt-available-protocols", "\"old\"")];
    for (fields, protocol) in
        [(&two_lines[..], Some("old")), (&[("wt-available-protocols", "\"new")], None)]
    {
        let mut script = Script::new();
        script.settings(&[ENABLE_WEBTRANSPORT]);
        let stream = script.connect(fields);
        let response = script.response(stream);
        assert_eq!(contains(&response, b"wt-protocol"), protocol.is_some());
        let info = script.world.server.info().unwrap();
        assert_eq!(info.protocol.as_deref(), protocol);
    }
}

#[test]
fn the_connect_may_overtake_the_settings_and_come_on_any_stream() {
    let mut script = Script::new();
    let get = script.request(&[(":method", "GET"), (":path", "/")]);
    let stream = script.connect(&[]);
    assert!(script.world.server.info().is_none());
    script.settings(&[ENABLE_WEBTRANSPORT]);
    assert!(stream.0 > 0);
    assert!(contains(&script.response(stream), &[0xd9]), "200");
    assert!(contains(&script.response(get), &[0xdb]), "404");
    script.expect_session();
    script.expect_stream_works(stream);
}

#[test]
fn unknown_streams_frames_and_settings_are_skipped() {
    let mut script = Script::new();
    let grease = script.uni(&[varint(0x21), vec![7; 5000]].concat());
    script.uni(&[0x02]);
    script.uni(&[0x03]);
    let mut control = vec![0x00];
    control.extend(element(FRAME_SETTINGS, &setting_pairs(&[(0x21, 5), ENABLE_WEBTRANSPORT])));
    control.extend(element(0x21 + 0x1f, &[1; 10_000]));
    script.uni(&control);
    let mut request = element(0x40, &[2; 3000]);
    request.extend(element(FRAME_HEADERS, &fields(CONNECT)));
    request.extend(element(0x21, &[3; 3000]));
    let stream = script.bidi(&request);
    script.expect_session();
    script.world.client().finish(grease);
    script.expect_stream_works(stream);
}

#[test]
fn preambles_of_many_streams_may_arrive_byte_by_byte_in_turn() {
    let mut script = Script::connected();
    let session = script.session;
    let mut open = Vec::new();
    for (kind, first) in [(StreamKind::Bidi, 0x41), (StreamKind::Uni, 0x54)] {
        for payload in [b'a', b'b', b'c', b'd', b'e'] {
            let stream = script.world.client().open(kind).unwrap();
            // Long forms of both varints, as some encoders write them.
            let bytes = [&[0x40, first, 0x80, 0, 0, session.0 as u8][..], &[payload]].concat();
            open.push((stream, kind, bytes));
        }
    }
    for at in 0..7 {
        for (stream, _, bytes) in &open {
            write(&mut script.world.client(), *stream, &bytes[at..=at]);
            script.world.run(LATENCY / 5);
        }
    }
    script.world.settle();
    for (stream, kind, bytes) in open {
        assert!(script.world.server.seen.contains(&TransportEvent::Opened(stream, kind)));
        assert_eq!(read(&mut script.world.server(), stream), (vec![bytes[6]], false));
    }
}

#[test]
fn a_stalled_preamble_delays_no_other_stream_and_is_given_up() {
    let mut script = Script::connected();
    let stalled = [StreamKind::Uni, StreamKind::Bidi].map(|kind| {
        let stream = script.world.client().open(kind).unwrap();
        write(&mut script.world.client(), stream, &[0x40]);
        stream
    });
    script.expect_stream_works(script.session);
    script.world.run(limits().preamble_timeout + LATENCY * 4);
    for stream in stalled {
        script.expect_stopped(stream, REQUEST_INCOMPLETE);
    }
    script.expect_stream_works(script.session);
}

/// Chromium opens its QPACK streams without a byte, and closes the connection when it is told to
/// stop sending on them.
#[test]
fn a_stream_without_a_byte_is_left_alone_and_may_begin_late() {
    let mut script = Script::connected();
    let [silent, late, above] =
        [(); 3].map(|()| script.world.client().open(StreamKind::Uni).unwrap());
    let preamble = [0x40, 0x54, script.session.0 as u8, b'x'];
    // A stream above them opens them too.
    write(&mut script.world.client(), above, &preamble);
    script.world.run(limits().preamble_timeout * 3);
    let told = |event: &TransportEvent| matches!(event, TransportEvent::Stopped(stream, _) if *stream == silent || *stream == late);
    assert!(!script.world.client.seen.iter().any(told), "{:?}", script.world.client.seen);
    write(&mut script.world.client(), late, &preamble);
    script.world.settle();
    assert_eq!(script.world.server.opened(), [above, late]);
}

#[test]
fn preambles_that_never_end_are_bounded() {
    let server = NetLimits { preambles_max: 3, ..limits() };
    let mut script = Script::with(server);
    script.settings(&[ENABLE_WEBTRANSPORT]);
    script.session = script.connect(&[]);
    let streams: Vec<_> = (0..4).map(|_| script.uni(&[0x40])).collect();
    script.expect_stopped(streams[3], EXCESSIVE_LOAD);
    for stream in &streams[..3] {
        write(&mut script.world.client(), *stream, &[0x54, script.session.0 as u8, b'x']);
    }
    script.world.settle();
    assert_eq!(script.world.server.opened(), streams[..3]);
}

#[test]
fn a_stream_that_ends_in_its_preamble_harms_nobody() {
    let mut script = Script::connected();
    for kind in [StreamKind::Uni, StreamKind::Bidi] {
        for partial in [&[][..], &[0x40], &[0x40, 0x54], &[0x40, 0x41]] {
            let [reset, finished] = [(); 2].map(|()| {
                let stream = script.world.client().open(kind).unwrap();
                write(&mut script.world.client(), stream, partial);
                script.world.settle();
                stream
            });
            script.world.client().reset(reset, 9);
            script.world.client().finish(finished);
            script.world.settle();
        }
    }
    assert_eq!(script.world.server.seen, []);
    script.expect_stream_works(script.session);
}

#[test]
fn streams_and_datagrams_that_precede_the_connect_are_held() {
    let mut script = Script::new();
    script.settings(&[ENABLE_WEBTRANSPORT, ENABLE_DATAGRAM]);
    // The CONNECT will be on the first bidirectional stream.
    let first = script.world.client().open(StreamKind::Bidi).unwrap();
    let early = script.uni(&[0x40, 0x54, first.0 as u8, b'e']);
    let datagram = [&varint(first.0 / 4)[..], b"d"].concat();
    script.world.client().send_datagram(datagram.into()).unwrap();
    script.world.settle();
    assert!(script.world.server.info().is_none());
    write(&mut script.world.client(), first, &element(FRAME_HEADERS, &fields(CONNECT)));
    script.expect_session();
    assert_eq!(script.world.server.opened(), [early]);
    assert_eq!(read(&mut script.world.server(), early).0, b"e");
    assert!(script.world.server.seen.contains(&TransportEvent::Datagram));
    assert_eq!(script.world.server().recv_datagram().unwrap(), "d");
}

#[test]
fn early_streams_are_held_up_to_a_bound() {
    let server = NetLimits { early_streams_max: 3, ..limits() };
    let mut script = Script::with(server);
    let first = script.world.client().open(StreamKind::Bidi).unwrap();
    let early: Vec<_> = (0..5).map(|_| script.uni(&[0x40, 0x54, first.0 as u8, b'e'])).collect();
    for stream in &early[3..] {
        script.expect_stopped(*stream, BUFFERED_STREAM_REJECTED);
    }
    script.settings(&[ENABLE_WEBTRANSPORT]);
    write(&mut script.world.client(), first, &element(FRAME_HEADERS, &fields(CONNECT)));
    script.expect_session();
    assert_eq!(script.world.server.opened(), early[..3]);
}

#[test]
fn an_early_stream_reset_while_held_is_forgotten() {
    let mut script = Script::new();
    let first = script.world.client().open(StreamKind::Bidi).unwrap();
    let early = script.uni(&[0x40, 0x54, first.0 as u8, b'e']);
    script.world.client().reset(early, 3);
    script.settings(&[ENABLE_WEBTRANSPORT]);
    write(&mut script.world.client(), first, &element(FRAME_HEADERS, &fields(CONNECT)));
    script.expect_session();
    assert_eq!(script.world.server.opened(), []);
}

#[test]
fn a_second_connect_is_refused_without_harm_to_the_first() {
    let mut script = Script::connected();
    let second = script.connect(&[]);
    assert!(contains(&script.response(second), b"429"));
    script.expect_stopped(second, REQUEST_REJECTED);
    let of_second = script.uni(&[0x40, 0x54, second.0 as u8, b'x']);
    script.expect_stopped(of_second, SESSION_GONE);
    script.expect_stream_works(script.session);
    assert_eq!(script.world.server.closed(), None);
}

#[test]
fn other_requests_are_answered_and_cost_nothing() {
    let mut script = Script::connected();
    let get = script.request(&[(":method", "GET"), (":path", "/moq")]);
    let websocket = script.request(&[(":method", "CONNECT"), (":protocol", "websocket")]);
    let proxy = script.request(&[(":method", "CONNECT"), (":authority", "a:1")]);
    for (stream, status) in [(get, &[0xdb][..]), (websocket, &[0xdb]), (proxy, &[0xff, 0x04])] {
        let response = script.response(stream);
        assert!(contains(&response, status), "{response:x?}");
    }
    script.expect_stream_works(script.session);
    assert_eq!(script.world.client.closed(), None);
}

#[test]
fn a_header_section_over_the_limit_is_refused_encoded_and_decoded() {
    let mut script = Script::connected();
    let mut announced = varint(FRAME_HEADERS);
    announced.extend(varint(1 << 30));
    let announced = script.bidi(&announced);
    let mut many = vec![0, 0];
    many.extend([0xff, 85 - 63].repeat(1000));
    let decoded = script.bidi(&element(FRAME_HEADERS, &many));
    for stream in [announced, decoded] {
        assert!(contains(&script.response(stream), b"431"));
    }
    script.expect_stream_works(script.session);
}

#[test]
fn a_gigabyte_of_unknown_capsule_is_skipped_and_the_next_capsule_read() {
    let mut script = Script::connected();
    script.world.server().set_credit(GENEROUS);
    script.world.settle();
    let session = script.session;
    let drain = element(CAPSULE_DRAIN, &[]);
    // First one of 3 MB to its end, then one announced with a gigabyte.
    let mut capsule = varint(0x17);
    capsule.extend(varint(3_000_000));
    let head = capsule.len();
    capsule.resize(head + 3_000_000, b'x');
    capsule.extend(&drain);
    let mut frame = varint(FRAME_DATA);
    frame.extend(varint(capsule.len() as u64));
    frame.extend(capsule);
    script.write_slowly(session, frame);
    assert_eq!(script.world.server.seen, [TransportEvent::Draining]);

    let mut endless = varint(FRAME_DATA);
    endless.extend(varint(1 << 40));
    endless.extend(varint(0x18));
    endless.extend(varint(1 << 30));
    endless.resize(1_000_000, b'y');
    script.write_slowly(session, endless);
    script.expect_stream_works(session);
}

#[test]
fn a_close_with_an_endless_reason_is_cut() {
    let mut script = Script::connected();
    let value = [&7u32.to_be_bytes()[..], &[b'r'; 20_000]].concat();
    let capsule = element(FRAME_DATA, &element(CAPSULE_CLOSE, &value));
    write(&mut script.world.client(), script.session, &capsule);
    script.world.settle();
    let reason = "r".repeat(1024);
    assert_eq!(script.world.server.closed(), Some(CloseReason::Peer { code: 7, reason }));
}

#[test]
fn the_end_of_the_connect_stream_is_the_end_of_the_session() {
    for reset in [true, false] {
        let mut script = Script::connected();
        let session = script.session;
        match reset {
            true => script.world.client().reset(session, 0x10c),
            false => script.world.client().finish(session),
        }
        script.world.settle();
        let reason = String::new();
        assert_eq!(script.world.server.closed(), Some(CloseReason::Peer { code: 0, reason }));
        script.world.run(Duration::from_secs(5));
        assert!(script.world.client.closed().is_some(), "the connection follows");
    }
}

#[test]
fn codes_outside_the_applications_range_read_as_zero() {
    let mut script = Script::connected();
    let stream = script.uni(&[0x40, 0x54, script.session.0 as u8, b'x']);
    script.world.client().reset(stream, 0x10c);
    script.world.settle();
    assert!(script.world.server.seen.contains(&TransportEvent::Reset(stream, 0)));
}

#[test]
fn datagrams_of_other_sessions_are_dropped() {
    let mut script = Script::connected();
    let ours = script.session.0 / 4;
    for id in [ours + 1, ours, ours + 200] {
        let datagram = [&varint(id)[..], &[id as u8]].concat();
        script.world.client().send_datagram(datagram.into()).unwrap();
    }
    script.world.client().send_datagram(Bytes::new()).unwrap();
    script.world.settle();
    let mut server = script.world.server();
    assert_eq!(server.recv_datagram().unwrap(), [ours as u8][..]);
    assert_eq!(server.recv_datagram(), None);
}

#[test]
fn a_session_on_a_late_stream_has_a_longer_prefix_and_less_room_in_a_datagram() {
    let mut first = Script::connected();
    let mut late = Script::new();
    for _ in 0..64 {
        let get = late.request(&[(":method", "GET"), (":path", "/")]);
        late.world.client().finish(get);
        assert!(contains(&late.response(get), &[0xdb]));
    }
    late.settings(&[ENABLE_CONNECT, ENABLE_DATAGRAM, ENABLE_WEBTRANSPORT]);
    late.session = late.connect(&[]);
    late.expect_session();
    assert_eq!(late.session, StreamId(256));
    let room = late.world.server().datagram_max().unwrap();
    assert_eq!(room, first.world.server().datagram_max().unwrap() - 1);
    late.world.server().send_datagram(vec![7; room].into()).unwrap();
    late.world.settle();
    let datagram = late.world.client().recv_datagram().unwrap();
    assert_eq!((&datagram[..2], datagram.len()), (&[0x40, 64][..], room + 2));
}

#[test]
fn a_client_that_never_asks_is_closed_after_the_handshake_timeout() {
    for settings in [true, false] {
        let mut script = Script::new();
        match settings {
            true => script.settings(&[ENABLE_WEBTRANSPORT]),
            false => drop(script.connect(&[])),
        }
        script.world.run(limits().handshake_timeout + LATENCY * 4);
        assert!(script.world.client.closed().is_some());
        assert!(script.world.server.events.is_empty());
        script.world.run(Duration::from_secs(10));
        assert_eq!(script.world.server.net.connections(), 0);
        assert_eq!(script.world.server.net.counters().failed_handshakes, 1);
    }
}

#[test]
fn breaking_http3_closes_the_connection_with_its_code() {
    let settings = element(FRAME_SETTINGS, &[]);
    let control = [&[0][..], &settings].concat();
    let request = |frame: &[u8]| (StreamKind::Bidi, frame.to_vec());
    let uni = |bytes: &[u8]| (StreamKind::Uni, bytes.to_vec());
    for (streams, code) in [
        (vec![uni(&control), uni(&control)], 0x103),
        (vec![uni(&[&[0][..], &element(0x07, &[0])].concat())], 0x10a),
        (vec![uni(&[&control[..], &settings].concat())], 0x105),
        (vec![uni(&[&control[..], &element(FRAME_DATA, &[1])].concat())], 0x105),
        (vec![uni(&[&[0][..], &element(FRAME_SETTINGS, &[2, 1])].concat())], 0x109),
        (vec![uni(&[&[0][..], &element(FRAME_SETTINGS, &[8])].concat())], 0x106),
        (vec![request(&element(FRAME_DATA, &[1]))], 0x105),
        (vec![request(&element(FRAME_HEADERS, &[0, 0, 0x80]))], 0x200),
        (vec![uni(&[0x40, 0x54, 3])], 0x108),
    ] {
        let mut script = Script::new();
        for (kind, bytes) in &streams {
            script.stream(*kind, bytes);
        }
        let closed = script.world.client.closed();
        assert!(
            matches!(closed, Some(CloseReason::Peer { code: sent, .. }) if sent == code),
            "{closed:?} instead of {code:#x}"
        );
    }
}

#[test]
fn a_closed_control_stream_closes_the_connection() {
    let mut script = Script::new();
    let control = script.uni(&[&[0][..], &element(FRAME_SETTINGS, &[])].concat());
    script.world.client().finish(control);
    script.world.settle();
    let Some(CloseReason::Peer { code: 0x104, .. }) = script.world.client.closed() else {
        panic!("{:?}", script.world.client.closed());
    };
}

/// A client that writes HTTP/3 by hand.
struct Script {
    world: World,
    session: StreamId,
}

const CONNECT: &[(&str, &str)] = &[
    (":method", "CONNECT"),
    (":protocol", "webtransport"),
    (":scheme", "https"),
    (":authority", "localhost"),
    (":path", "/any/path"),
];

impl Script {
    fn new() -> Script {
        Script::with(limits())
    }

    fn with(server: NetLimits) -> Script {
        let mut world = World::with(limits(), server);
        let via = sluice_net::dial::Via::Quic { protocols: vec!["h3".into()] };
        world.client.key = Some(world.dial(via));
        world.settle();
        world.client().set_credit(GENEROUS);
        Script { world, session: StreamId(0) }
    }

    /// With an open session.
    fn connected() -> Script {
        let mut script = Script::new();
        script.settings(&[ENABLE_CONNECT, ENABLE_DATAGRAM, ENABLE_WEBTRANSPORT]);
        script.session = script.connect(&[]);
        script.expect_session();
        script
    }

    fn stream(&mut self, kind: StreamKind, bytes: &[u8]) -> StreamId {
        let stream = self.world.client().open(kind).unwrap();
        write(&mut self.world.client(), stream, bytes);
        self.world.settle();
        stream
    }

    fn uni(&mut self, bytes: &[u8]) -> StreamId {
        self.stream(StreamKind::Uni, bytes)
    }

    fn bidi(&mut self, bytes: &[u8]) -> StreamId {
        self.stream(StreamKind::Bidi, bytes)
    }

    fn settings(&mut self, settings: &[(u64, u64)]) {
        let frame = element(FRAME_SETTINGS, &setting_pairs(settings));
        self.uni(&[&[0][..], &frame].concat());
    }

    fn request(&mut self, header: &[(&str, &str)]) -> StreamId {
        self.bidi(&element(FRAME_HEADERS, &fields(header)))
    }

    fn connect(&mut self, more: &[(&str, &str)]) -> StreamId {
        self.request(&[CONNECT, more].concat())
    }

    fn write_slowly(&mut self, stream: StreamId, bytes: Vec<u8>) {
        let mut rest = [Bytes::from(bytes)];
        for _ in 0..10_000 {
            if self.world.client().write(stream, &mut rest).unwrap().complete {
                self.world.settle();
                return;
            }
            self.world.run(LATENCY);
        }
        panic!("{} bytes left: the server does not read", rest[0].len());
    }

    fn response(&mut self, stream: StreamId) -> Vec<u8> {
        read(&mut self.world.client(), stream).0
    }

    fn expect_session(&mut self) {
        self.world.settle();
        let info = self.world.server.info().expect("a session");
        assert_eq!(info.path.as_deref(), Some("/any/path"));
        assert_eq!(self.world.client.closed(), None);
    }

    /// One more stream of the session arrives.
    fn expect_stream_works(&mut self, session: StreamId) {
        let preamble = [&varint(0x54)[..], &varint(session.0), b"works"].concat();
        let stream = self.uni(&preamble);
        assert!(self.world.server.opened().contains(&stream));
        assert_eq!(read(&mut self.world.server(), stream).0, b"works");
    }

    /// The server wants nothing more of a stream.
    fn expect_stopped(&mut self, stream: StreamId, code: u64) {
        self.world.settle();
        let stopped = TransportEvent::Stopped(stream, code);
        assert!(self.world.client.seen.contains(&stopped), "{:?}", self.world.client.seen);
        let read = self.world.client().read(stream, 1);
        let refused = matches!(read, Err(StreamError::Closed | StreamError::Reset(_)));
        assert!(refused || matches!(read, Ok(Read::Data(_) | Read::Fin)), "{read:?}");
    }
}

fn varint(value: u64) -> Vec<u8> {
    match value {
        0..=0x3f => vec![value as u8],
        0x40..=0x3fff => (value as u16 | 0x4000).to_be_bytes().to_vec(),
        0x4000..=0x3fff_ffff => (value as u32 | 0x8000_0000).to_be_bytes().to_vec(),
        _ => (value | 0xc000_0000_0000_0000).to_be_bytes().to_vec(),
    }
}

fn element(kind: u64, value: &[u8]) -> Vec<u8> {
    [&varint(kind)[..], &varint(value.len() as u64), value].concat()
}

fn setting_pairs(settings: &[(u64, u64)]) -> Vec<u8> {
    settings.iter().flat_map(|(name, value)| [varint(*name), varint(*value)].concat()).collect()
}

/// Literal names and values only.
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = vec![0, 0];
    for (name, value) in fields {
        let mut rest = name.len();
        if rest < 7 {
            out.push(0x20 | rest as u8);
        } else {
            out.push(0x27);
            rest -= 7;
            assert!(rest < 128);
            out.push(rest as u8);
        }
        out.extend(name.as_bytes());
        assert!(value.len() < 127);
        out.push(value.len() as u8);
        out.extend(value.as_bytes());
    }
    out
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
