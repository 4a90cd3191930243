//! Draft 01: control messages without lengths around them, and heads of objects.

use bytes::BytesMut;
use sluice_proto::wire::data::UniHead;
use sluice_proto::wire::{Draft, Inexpressible, NamedMessage};

use crate::input::Input;

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let choice = input.byte();
    let bytes = input.rest();
    match choice & 1 {
        0 => control(bytes),
        _ => object(bytes),
    }
}

/// A control stream.
fn control(mut rest: &[u8]) {
    while let Ok(Some((message, read))) = NamedMessage::decode(rest) {
        for cut in 0..read {
            assert_eq!(NamedMessage::decode(&rest[..cut]), Ok(None), "{message:?} of {cut} bytes");
        }
        rest = &rest[read..];
        let mut out = BytesMut::new();
        match message.encode(&mut out) {
            Ok(()) => {
                let again = NamedMessage::decode(&out);
                assert_eq!(again, Ok(Some((message, out.len()))), "what was written is read");
            }
            // A text that is not UTF-8 grows when it is read.
            Err(Inexpressible::TooLong(_)) => assert!(out.is_empty(), "all of it or nothing"),
            Err(other) => panic!("{message:?}: {other}"),
        }
    }
}

/// A data stream.
fn object(bytes: &[u8]) {
    let dialect = Draft::D01.dialect();
    let Ok(Some((head, read))) = dialect.decode_uni_head(bytes) else { return };
    for cut in 0..read {
        assert_eq!(dialect.decode_uni_head(&bytes[..cut]), Ok(None), "{head:?} of {cut} bytes");
    }
    let UniHead::Object(mut head) = head else { panic!("{head:?} in a draft without it") };
    let mut out = BytesMut::new();
    if dialect.encode_object_stream_head(&head, &mut out).is_ok() {
        // A length is read and never written.
        head.payload_bytes = None;
        let again = dialect.decode_uni_head(&out);
        assert_eq!(again, Ok(Some((UniHead::Object(head), out.len()))));
    }
}
