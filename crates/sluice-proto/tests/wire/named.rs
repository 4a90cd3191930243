//! Draft 01 as deployed, byte by byte: what the programs of 2023/24 write, what they read, and what
//! costs whom what.

use bytes::{Bytes, BytesMut};
use sluice_proto::model::*;
use sluice_proto::wire::data::UniHead;
use sluice_proto::wire::{
    Dialect, Draft, Field, Inexpressible, Locations, NamedFault, NamedKind, NamedMessage,
    NamedViolation, Role, Violation,
};

use super::support::{hex, namespace, show, track};

const VERSION: u64 = 0xff00_0001;

fn dialect() -> &'static Dialect {
    Draft::D01.dialect()
}

fn some(text: &'static str) -> Option<Bytes> {
    Some(Bytes::from_static(text.as_bytes()))
}

/// Bytes as the deployed programs write them, and what they mean.
fn vectors() -> Vec<(&'static str, NamedMessage)> {
    let audio = || track("vc", "t1-audio");
    let client = |role| NamedMessage::ClientSetup {
        versions: vec![VERSION],
        role: Some(role),
        implementation: None,
    };
    let server = |role| NamedMessage::ServerSetup {
        version: VERSION,
        role: Some(role),
        implementation: None,
    };
    vec![
        ("4040 01 c0000000ff000001 01 00 01 01", client(Role::Publisher)),
        ("4040 01 c0000000ff000001 01 00 01 02", client(Role::Subscriber)),
        ("4040 01 c0000000ff000001 01 00 01 03", client(Role::Both)),
        ("4041 c0000000ff000001 01 00 01 02", server(Role::Subscriber)),
        ("4041 c0000000ff000001 01 00 01 01", server(Role::Publisher)),
        ("4041 c0000000ff000001 01 00 01 03", server(Role::Both)),
        (
            "4040 01 c0000000ff000001 02 00 01 03 07 02 6869",
            NamedMessage::ClientSetup {
                versions: vec![VERSION],
                role: Some(Role::Both),
                implementation: Some("hi".into()),
            },
        ),
        (
            "06 02 7663 01 02 06 736563726574",
            NamedMessage::Announce { namespace: namespace("vc"), authorization: some("secret") },
        ),
        (
            "06 02 7663 00",
            NamedMessage::Announce { namespace: namespace("vc"), authorization: None },
        ),
        ("07 02 7663", NamedMessage::AnnounceOk { namespace: namespace("vc") }),
        (
            "08 00 02 22 4572726f7220416464696e67206e657720747261636b206f6e20414e4e4f554e4345",
            NamedMessage::AnnounceError {
                namespace: TrackNamespace::default(),
                code: 2,
                reason: "Error Adding new track on ANNOUNCE".into(),
            },
        ),
        (
            "03 02 7663 08 74312d617564696f 03 00 01 00 00 00 01 02 06 736563726574",
            NamedMessage::Subscribe {
                track: audio(),
                locations: Locations::NEXT_GROUP,
                authorization: some("secret"),
            },
        ),
        (
            "04 02 7663 08 74312d617564696f 00 00",
            NamedMessage::SubscribeOk { track: audio(), track_id: 0, expires: 0 },
        ),
        (
            "05 02 7663 08 74312d617564696f 03 36 576520636f756c64204e4f542066696e6420616e79\
             207075626c69736865727320666f7220547261636b4e616d657370616365207663",
            NamedMessage::SubscribeError {
                track: audio(),
                code: 3,
                reason: "We could NOT find any publishers for TrackNamespace vc".into(),
            },
        ),
        ("09 02 7663", NamedMessage::Unannounce { namespace: namespace("vc") }),
        ("0a 02 7663 08 74312d617564696f", NamedMessage::Unsubscribe { track: audio() }),
        (
            "0b 02 7663 08 74312d617564696f 07 3b",
            NamedMessage::SubscribeFin { track: audio(), last: (7, 59) },
        ),
        (
            "0c 02 7663 08 74312d617564696f 00 04 676f6e65 07 3b",
            NamedMessage::SubscribeRst {
                track: audio(),
                code: 0,
                reason: "gone".into(),
                last: (7, 59),
            },
        ),
        ("10 00", NamedMessage::Goaway { uri: String::new() }),
    ]
}

fn decode(bytes: &[u8]) -> Result<Option<(NamedMessage, usize)>, NamedViolation> {
    NamedMessage::decode(bytes)
}

#[test]
fn messages_are_read_and_written_as_the_deployed_programs_write_them() {
    for (text, message) in vectors() {
        let bytes = hex(text);
        assert_eq!(decode(&bytes), Ok(Some((message.clone(), bytes.len()))), "{text}");
        let mut written = BytesMut::new();
        message.encode(&mut written).unwrap();
        assert_eq!(show(&written), show(&bytes), "{message:?}");
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), Ok(None), "{text}, {cut} bytes of it");
        }
        // The next message stands right behind it.
        let followed = [&bytes[..], &[0x07]].concat();
        assert_eq!(decode(&followed), Ok(Some((message, bytes.len()))), "{text}");
    }
}

#[test]
fn integers_may_be_longer_than_they_need_to() {
    let long = hex("80000006 4002 7663 c000000000000001 4002 80000006 736563726574");
    let short = hex("06 02 7663 01 02 06 736563726574");
    let announce = decode(&short).unwrap().unwrap().0;
    assert_eq!(decode(&long), Ok(Some((announce, long.len()))));
    let setup = hex("c000000000000040 01 c0000000ff000001 01 00 01 01");
    assert_eq!(NamedMessage::begins(&setup), Some(true));
    assert!(matches!(decode(&setup), Ok(Some((NamedMessage::ClientSetup { .. }, 21)))));
}

#[test]
fn a_control_stream_says_with_its_first_bytes_of_which_kind_it_is() {
    assert_eq!(NamedMessage::begins(&[]), None);
    assert_eq!(NamedMessage::begins(&[0x40]), None);
    assert_eq!(NamedMessage::begins(&[0x40, 0x40]), Some(true));
    assert_eq!(NamedMessage::begins(&[0x20]), Some(false));
    assert_eq!(NamedMessage::begins(&[0x40, 0x41]), Some(false));
}

#[test]
fn what_nobody_knows_is_passed_over() {
    // A parameter of another type, in SETUP and elsewhere; ROLE with a length that is not its own;
    // the last of two counts; an authorization without a byte is none.
    let setup = hex("4040 02 c0000000ff000002 c0000000ff000001 03 01 02 2f6d 00 05 01 00 01 02");
    let Ok(Some((NamedMessage::ClientSetup { versions, role, .. }, _))) = decode(&setup) else {
        panic!("CLIENT_SETUP is read");
    };
    assert_eq!((versions, role), (vec![0xff00_0002, VERSION], Some(Role::Subscriber)));
    let announce = hex("06 02 7663 03 00 01 07 02 06 736563726574 02 00");
    let Ok(Some((NamedMessage::Announce { authorization, .. }, 18))) = decode(&announce) else {
        panic!("ANNOUNCE is read");
    };
    assert_eq!(authorization, None);
}

#[test]
fn what_is_wrong_is_said_precisely_and_before_more_of_it_is_read() {
    use NamedViolation as V;
    let subscribe = NamedKind::Subscribe;
    let rows = [
        ("20", V::UnknownMessage { code: 0x20 }),
        ("00", V::ObjectOnControl),
        ("02", V::ObjectOnControl),
        ("4040 0b", V::TooManyVersions { count: 11 }),
        ("4040 00 01 00 01 04", V::UnknownRole { role: 4 }),
        ("4040 00 4101", V::TooManyParameters { message: NamedKind::ClientSetup, count: 257 }),
        (
            "06 4401",
            V::TextTooLong { message: NamedKind::Announce, field: Field::Namespace, bytes: 1025 },
        ),
        (
            "03 02 7663 4401",
            V::TextTooLong { message: subscribe, field: Field::TrackName, bytes: 1025 },
        ),
        (
            "03 02 7663 01 61 03 00 01 00 00 00 01 02 4401",
            V::TextTooLong { message: subscribe, field: Field::ParameterValue, bytes: 1025 },
        ),
        (
            "03 02 7663 01 61 03 00 01 00 00 00 01 07 c0000000ffffffff",
            V::TextTooLong {
                message: subscribe,
                field: Field::ParameterLength,
                bytes: 0xffff_ffff,
            },
        ),
        ("03 02 7663 01 61 04", V::LocationMode { field: Field::Location, mode: 4 }),
        ("03 02 7663 01 61 03 00 01 00 3f", V::LocationMode { field: Field::EndGroup, mode: 63 }),
    ];
    for (text, violation) in rows {
        assert_eq!(decode(&hex(text)), Err(violation), "{text}");
    }
}

#[test]
fn texts_are_as_long_as_the_deployed_relay_takes_them() {
    for (bytes, fits) in [(1024, true), (1025, false)] {
        let name = TrackName::new(vec![b'x'; bytes]).unwrap();
        let track = FullTrackName::new(namespace("vc"), name).unwrap();
        let mut out = BytesMut::new();
        let written = NamedMessage::Unsubscribe { track: track.clone() }.encode(&mut out);
        assert_eq!(written, if fits { Ok(()) } else { Err(Inexpressible::TooLong(bytes)) });
        assert_eq!(out.is_empty(), !fits, "all of it or nothing");
        if fits {
            let read = decode(&out).unwrap().unwrap().0;
            assert_eq!(read, NamedMessage::Unsubscribe { track });
        }
    }
}

#[test]
fn objects_are_read_and_written_as_the_deployed_programs_write_them() {
    let head = |alias, group, object, order| ObjectStreamHead {
        alias: TrackAlias(alias),
        location: Location::new(group, object),
        order: SendOrder(order),
        payload_bytes: None,
    };
    let rows = [
        ("00 01 01 00 00", head(1, 1, 0, 0)),
        ("00 00 05 00 c010000000000004", head(0, 5, 0, 0x0010_0000_0000_0004)),
        ("02 01 01 00 00 03", ObjectStreamHead { payload_bytes: Some(3), ..head(1, 1, 0, 0) }),
    ];
    for (text, head) in rows {
        let bytes = hex(text);
        let stream = [&bytes[..], b"abc"].concat();
        let read = Ok(Some((UniHead::Object(head), bytes.len())));
        assert_eq!(dialect().decode_uni_head(&stream), read, "{text}");
        for cut in 0..bytes.len() {
            assert_eq!(dialect().decode_uni_head(&stream[..cut]), Ok(None), "{text}, {cut}");
        }
        if head.payload_bytes.is_none() {
            let mut written = BytesMut::new();
            dialect().encode_object_stream_head(&head, &mut written).unwrap();
            assert_eq!(show(&written), show(&bytes));
        }
    }
    let unknown = Violation::Named(NamedViolation::UnknownStreamType { code: 0x10 });
    assert_eq!(dialect().decode_uni_head(&[0x10]), Err(unknown));
}

#[test]
fn a_number_that_no_page_can_hold_is_not_sent() {
    let head = ObjectStreamHead {
        alias: TrackAlias(1),
        location: Location::new(1 << 53, 0),
        order: SendOrder(0),
        payload_bytes: None,
    };
    let mut out = BytesMut::new();
    let written = dialect().encode_object_stream_head(&head, &mut out);
    assert_eq!(written, Err(Inexpressible::TooLarge(1 << 53)));
    assert!(out.is_empty());
}

#[test]
fn violations_say_what_is_wrong_in_words() {
    let cut = NamedViolation::Object { fault: NamedFault::Cut };
    assert_eq!(cut.to_string(), "the stream of an object ends inside it");
    let role = NamedViolation::NotOfRole { message: NamedKind::Subscribe, role: Role::Publisher };
    assert_eq!(role.to_string(), "SUBSCRIBE from a peer whose ROLE is 1");
}
