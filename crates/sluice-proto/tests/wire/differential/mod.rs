//! Control messages against another implementation of the drafts, `moqtap-codec`.
//!
//! [`generate`] makes canonical messages that a draft can express, with the stream they travel on.
//! A file per family says how the other implementation would write each of them; it shares no
//! table with ours. For every message both must produce the same bytes, and each must read the
//! other's bytes as what was written.
//!
//! Where the other implementation refuses what the text allows, the generator leaves it out and
//! says so there.

/// Reads back a picture, which every draft has a type for, called `m::ControlMessage` where this
/// stands.
macro_rules! compared {
    () => {
        fn compared(picture: m::ControlMessage) -> Theirs {
            let mut bytes = Vec::new();
            picture.encode(&mut bytes).expect("they can write it");
            let reads = Box::new(move |bytes: &[u8]| {
                let mut bytes = bytes;
                let read =
                    m::ControlMessage::decode(&mut bytes).map_err(|error| error.to_string())?;
                match read == picture && bytes.is_empty() {
                    true => Ok(()),
                    false => Err(format!("{read:?} is not {picture:?}")),
                }
            });
            Theirs { bytes, reads }
        }
    };
}

/// What a draft up to 19 fetches; an open end is its greatest number.
macro_rules! fetched {
    ($open:expr) => {
        fn fetched(range: &FetchRange) -> (m::FetchType, m::FetchPayload) {
            match range {
                FetchRange::Joining(id, start) => {
                    let (kind, start) = match start {
                        JoiningStart::Relative(groups) => (m::FetchType::RelativeJoining, *groups),
                        JoiningStart::Absolute(group) => (m::FetchType::AbsoluteJoining, group.0),
                    };
                    let joining_request_id = int(id.0);
                    let joining_start = int(start);
                    (kind, m::FetchPayload::Joining { joining_request_id, joining_start })
                }
                FetchRange::Standalone(track, range) => {
                    let (start, end) = range.resolve(None);
                    let end = end.unwrap_or(RangeEnd { group: GroupId($open), object: None });
                    let payload = m::FetchPayload::Standalone {
                        track_namespace: namespace(track.namespace()),
                        track_name: track.name().as_bytes().to_vec(),
                        start_group: int(start.group.0),
                        start_object: int(start.object.0),
                        end_group: int(end.group.0),
                        end_object: int(end.object.map_or(0, |object| object.0 + 1)),
                    };
                    (m::FetchType::Standalone, payload)
                }
            }
        }
    };
}

mod codes;
mod draft14;
mod draft15;
mod draft16;
mod draft17;
pub mod generate;
mod own_stream;
mod parameters;

use proptest::prelude::*;
use sluice_proto::wire::{Context, Draft, Message};

use std::collections::BTreeSet;

use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::support::{decode, encode, show};

/// Whether bytes are read as a certain message, and if not, what they say.
type Reading = Box<dyn Fn(&[u8]) -> Result<(), String>>;

/// What the other implementation says of a message.
struct Theirs {
    /// The bytes it writes for its own picture of the message.
    bytes: Vec<u8>,
    /// Whether it reads these bytes as that picture.
    reads: Reading,
}

fn agree(
    draft: Draft,
    message: &Message,
    context: &Context,
    theirs: Theirs,
) -> Result<(), TestCaseError> {
    let ours = encode(draft, message, context);
    prop_assert_eq!(show(&ours), show(&theirs.bytes), "draft {} writes {:?}", draft, message);
    if let Err(why) = (theirs.reads)(&ours) {
        return Err(TestCaseError::fail(format!("they read {message:?} otherwise: {why}")));
    }
    let read = decode(draft, &theirs.bytes, context);
    prop_assert_eq!(read.as_ref(), Ok(message), "draft {}: {}", draft, show(&ours));
    Ok(())
}

macro_rules! differential {
    ($($test:ident: $draft:expr, $theirs:expr;)*) => {$(
        proptest! {
            #![proptest_config(ProptestConfig { cases: 2048, ..ProptestConfig::default() })]

            #[test]
            fn $test((message, context) in generate::messages($draft)) {
                agree($draft, &message, &context, $theirs(&message, &context))?;
            }
        }
    )*};
}

differential! {
    another_implementation_agrees_on_draft_14: Draft::D14, draft14::theirs;
    another_implementation_agrees_on_draft_15: Draft::D15, draft15::theirs;
    another_implementation_agrees_on_draft_16: Draft::D16, draft16::theirs;
    another_implementation_agrees_on_draft_17: Draft::D17, draft17::theirs;
    another_implementation_agrees_on_draft_18: Draft::D18, own_stream::draft18::theirs;
    another_implementation_agrees_on_draft_19: Draft::D19, own_stream::draft19::theirs;
    another_implementation_agrees_on_draft_20: Draft::D20, own_stream::draft20::theirs;
    another_implementation_agrees_on_draft_21: Draft::D21, own_stream::draft21::theirs;
    another_implementation_agrees_on_draft_22: Draft::D22, own_stream::draft22::theirs;
}

/// The other implementation's types of messages.
fn their_types(draft: Draft) -> BTreeSet<u64> {
    macro_rules! known {
        ($code:expr, $($draft:ident: $module:ident),*) => {
            match draft {
                Draft::D01 => unreachable!("it has no tables"),
                $(Draft::$draft => {
                    moqtap_codec::$module::message::MessageType::from_id($code).is_some()
                })*
            }
        };
    }
    let known = |code: &u64| {
        known!(*code, D14: draft14, D15: draft15, D16: draft16, D17: draft17, D18: draft18,
            D19: draft19, D20: draft20, D21: draft21, D22: draft22)
    };
    (0..0x10000).filter(known).collect()
}

#[test]
fn every_message_of_every_draft_is_compared() {
    for draft in Draft::ALL {
        let mut runner = TestRunner::deterministic();
        let mut made = BTreeSet::new();
        for _ in 0..4000 {
            let (message, context) =
                generate::messages(draft).new_tree(&mut runner).unwrap().current();
            let bytes = encode(draft, &message, &context);
            made.extend(draft.dialect().integers.read(&bytes).unwrap().map(|(code, _)| code));
        }
        assert_eq!(made, their_types(draft), "draft {draft}");
    }
}
