//! Blocks of properties.

use bytes::Bytes;
use sluice_proto::model::{Location, Properties, PropertyEncoding, TrackProperties};

use crate::input::Input;

const ENCODINGS: [PropertyEncoding; 4] = [
    PropertyEncoding::Absolute,
    PropertyEncoding::Delta,
    PropertyEncoding::DeltaVi64Short,
    PropertyEncoding::DeltaVi64,
];

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let from = input.choose(&ENCODINGS);
    let location = Location::new(u64::from(input.byte()), u64::from(input.byte()));
    let raw = Bytes::copy_from_slice(input.rest());
    let Ok(block) = Properties::parse(from, raw) else { return };
    assert!(block.equivalent(&block) && block.immutable_equivalent(&block));
    let legal = block.check_object(location).is_ok();
    for to in ENCODINGS {
        let moved = block.to_encoding(to);
        let again = Properties::parse(to, moved.raw().clone()).expect("what was written parses");
        assert_eq!(again, moved);
        assert!(moved.entries().count() <= block.entries().count());
        if legal {
            assert_eq!(moved.check_object(location), Ok(()), "legal here, illegal there");
        }
        // What survived one move survives every further one.
        let there_and_back = moved.to_encoding(from).to_encoding(to);
        assert_eq!(there_and_back.to_encoding(to).raw(), there_and_back.raw());
    }
    let written = Properties::from_entries(from, block.entries());
    if let Ok(written) = written {
        assert!(written.equivalent(&block));
    }
    for (kind, _) in block.entries() {
        assert!(block.get(kind).is_some());
    }
    let track = TrackProperties(block);
    if let Ok(settings) = track.settings() {
        assert_eq!(TrackProperties::from_settings(&settings).settings(), Ok(settings));
    }
}
