use super::*;
use crate::model::property::kind::IMMUTABLE;
use proptest::collection::vec;
use proptest::prelude::*;

const ENCODINGS: [PropertyEncoding; 4] = [
    PropertyEncoding::Absolute,
    PropertyEncoding::Delta,
    PropertyEncoding::DeltaVi64Short,
    PropertyEncoding::DeltaVi64,
];
use PropertyEncoding::{Absolute, Delta, DeltaVi64, DeltaVi64Short};

fn hex(text: &str) -> Bytes {
    let digits: String = text.split_whitespace().collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn parse(encoding: PropertyEncoding, text: &str) -> Result<Properties, PropertyError> {
    Properties::parse(encoding, hex(text))
}

fn int(kind: u64, value: u64) -> (u64, PropertyValue) {
    (kind, PropertyValue::Int(value))
}

fn bytes(kind: u64, text: &str) -> (u64, PropertyValue) {
    (kind, PropertyValue::Bytes(hex(text)))
}

fn block(encoding: PropertyEncoding, pairs: &[(u64, PropertyValue)]) -> Properties {
    Properties::from_entries(encoding, pairs.iter().cloned()).unwrap()
}

#[test]
fn the_same_pairs_are_written_as_each_encoding_wants_them() {
    let pairs = [int(0x3C, 2), int(0x3E, 1), bytes(0x41, "6162"), int(0x80, 1 << 42)];
    let rows = [
        (Absolute, "3c02 3e01 4041 02 6162 4080 c000040000000000"),
        (Delta, "3c02 0201 03 02 6162 3f c000040000000000"),
        (DeltaVi64Short, "3c02 0201 03 02 6162 3f fe00040000000000"),
        (DeltaVi64, "3c02 0201 03 02 6162 3f fc040000000000"),
    ];
    for (encoding, text) in rows {
        let parsed = parse(encoding, text).unwrap();
        assert_eq!(parsed.entries().collect::<Vec<_>>(), pairs, "{encoding:?}");
        assert_eq!(block(encoding, &pairs), parsed);
        for (target, _) in rows {
            assert_eq!(parsed.to_encoding(target), block(target, &pairs));
        }
    }
}

#[test]
fn types_that_add_up_beyond_one_integer_are_refused() {
    let largest = "ff ff ff ff ff ff ff fe 00";
    assert!(parse(Delta, largest).is_ok());
    assert_eq!(parse(Delta, &format!("{largest} 02 00")), Err(PropertyError::TypeOverflow));
    let vi64 = "ff ff ff ff ff ff ff ff fe 00";
    assert!(parse(DeltaVi64, vi64).is_ok());
    assert_eq!(parse(DeltaVi64, &format!("{vi64} 02 00")), Err(PropertyError::TypeOverflow));
}

#[test]
fn parity_is_that_of_the_type_and_not_of_the_difference() {
    let parsed = parse(Delta, "02 05 01 02 6162").unwrap();
    assert_eq!(parsed.entries().collect::<Vec<_>>(), [int(2, 5), bytes(3, "6162")]);
}

#[test]
fn blocks_that_are_none_are_refused_with_the_reason() {
    let rows = [
        (Absolute, "3c", PropertyError::Truncated),
        (Absolute, "3c 40", PropertyError::Truncated),
        (DeltaVi64, "01 02 61", PropertyError::Truncated),
        (Delta, "01 80010000 61", PropertyError::TooLong { kind: 1, length: 65_536 }),
        (DeltaVi64, "fffffffffffffffffe 00 02 00", PropertyError::TypeOverflow),
        (DeltaVi64Short, "fc00000000000002 05", PropertyError::Truncated),
    ];
    for (encoding, text, refused) in rows {
        assert_eq!(parse(encoding, text), Err(refused), "{encoding:?} {text}");
    }
}

#[test]
fn what_an_encoding_cannot_say_is_named_when_asked_for() {
    let large = (1 << 62) + 2;
    let refused = |pair: (u64, PropertyValue)| Properties::from_entries(Delta, [pair]).unwrap_err();
    assert_eq!(refused(int(2, large)), PropertyError::DoesNotFit { kind: 2, value: large });
    assert_eq!(refused(int(large, 2)), PropertyError::DoesNotFit { kind: large, value: large });
    assert_eq!(refused(int(3, 2)), PropertyError::WrongForm { kind: 3 });
    assert_eq!(refused(bytes(2, "00")), PropertyError::WrongForm { kind: 2 });
    let long = PropertyValue::Bytes(vec![0; 65_536].into());
    assert_eq!(refused((1, long)), PropertyError::TooLong { kind: 1, length: 65_536 });
}

#[test]
fn within_one_encoding_the_very_same_bytes_go_on() {
    // Not minimal, so writing it anew would show.
    let odd = parse(Absolute, "403c 4002").unwrap();
    let same = odd.to_encoding(Absolute);
    assert_eq!(same.raw().as_ptr(), odd.raw().as_ptr());
    assert_eq!(odd.retain(|_, _| true).raw().as_ptr(), odd.raw().as_ptr());
}

#[test]
fn sorting_for_differences_keeps_the_order_of_equal_types() {
    let unsorted = parse(Absolute, "3e01 3c02 3e03 3c04").unwrap();
    let sorted = unsorted.to_encoding(Delta);
    let expected = [int(0x3C, 2), int(0x3C, 4), int(0x3E, 1), int(0x3E, 3)];
    assert_eq!(sorted.entries().collect::<Vec<_>>(), expected);
    assert!(unsorted.equivalent(&sorted));
    assert!(!unsorted.equivalent(&parse(Delta, "3c04 0002 0201 0003").unwrap()));
}

#[test]
fn the_content_of_immutable_properties_changes_encoding_too() {
    let rows = [
        (Absolute, "0b 02 3c40 04 05", None),
        (Absolute, "0b 02 0b00 04 05", None),
        (Absolute, "0b 07 3e01 3c02 4041 00 04 05", Some("04 05 07 06 3c02 0201 03 00")),
    ];
    for (encoding, text, expected) in rows {
        let parsed = parse(encoding, text).unwrap();
        let moved = parsed.to_encoding(DeltaVi64);
        match expected {
            Some(expected) => {
                assert_eq!(moved, parse(DeltaVi64, expected).unwrap());
                assert!(moved.equivalent(&parsed) && moved.immutable_equivalent(&parsed));
            }
            // Content that cannot be parsed, or is nested, cannot go on.
            None => assert_eq!(moved.entries().collect::<Vec<_>>(), [int(4, 5)]),
        }
    }
}

#[test]
fn integers_beyond_an_encoding_are_left_out_of_it_also_inside_immutable_properties() {
    let inner = block(DeltaVi64, &[int(2, u64::MAX), int(4, 4)]);
    let value = PropertyValue::Bytes(inner.raw().clone());
    let parsed = block(DeltaVi64, &[(IMMUTABLE, value), int(0x20, u64::MAX), int(0x22, 1)]);
    let moved = parsed.to_encoding(Absolute);
    assert_eq!(moved, parse(Absolute, "0b 02 04 04 22 01").unwrap());
    assert!(!moved.equivalent(&parsed));
}

#[test]
fn types_that_newer_drafts_must_understand_do_not_reach_them_from_older_ones() {
    let older = parse(Delta, "8000400e 01 02 02").unwrap();
    assert_eq!(older.entries().collect::<Vec<_>>(), [int(0x400E, 1), int(0x4010, 2)]);
    assert!(older.to_encoding(DeltaVi64).is_empty());
    let newer = parse(DeltaVi64, "c0400e 01").unwrap();
    assert_eq!(newer.to_encoding(Delta), parse(Delta, "8000400e 01").unwrap());
}

#[test]
fn the_same_block_arrives_by_two_paths() {
    // Draft 14 to draft 16 to draft 18, and draft 14 to draft 18.
    let origin = parse(Absolute, "3e01 0b 05 4040 01 02 03 04 05").unwrap();
    let inner = origin.get(IMMUTABLE).unwrap();
    assert_eq!(inner, bytes(IMMUTABLE, "4040 01 02 03").1);
    let through = origin.to_encoding(Delta).to_encoding(DeltaVi64);
    assert_eq!(through, origin.to_encoding(DeltaVi64));
    assert_eq!(through, parse(DeltaVi64, "04 05 07 04 02 03 3e 01 33 01").unwrap());
    assert!(through.equivalent(&origin));
}

#[test]
fn a_property_is_found_outside_first_and_else_inside_immutable_ones() {
    let both = parse(DeltaVi64, "0b 04 02 07 02 08 17 05").unwrap();
    assert_eq!(both.get(2), Some(PropertyValue::Int(7)));
    assert_eq!(both.get(4), Some(PropertyValue::Int(8)));
    assert_eq!(both.get(0x22), Some(PropertyValue::Int(5)));
    assert_eq!(both.get(6), None);
}

fn any_pair() -> impl Strategy<Value = (u64, PropertyValue)> {
    let kind = prop_oneof![0..0x80_u64, Just(IMMUTABLE), any::<u64>()];
    let number = prop_oneof![0..300_u64, 1_u64 << 41..1 << 50, any::<u64>()];
    (kind, number, vec(any::<u8>(), 0..20)).prop_map(|(kind, number, bytes)| {
        let value = match kind.is_multiple_of(2) {
            true => PropertyValue::Int(number),
            false => PropertyValue::Bytes(bytes.into()),
        };
        (kind, value)
    })
}

fn any_encoding() -> impl Strategy<Value = PropertyEncoding> {
    proptest::sample::select(ENCODINGS.to_vec())
}

proptest! {
    #[test]
    fn written_blocks_parse_to_the_same_pairs(
        pairs in vec(any_pair(), 0..8),
        encoding in any_encoding(),
    ) {
        let written = Properties::from_entries_lossy(encoding, pairs.clone());
        let parsed = Properties::parse(encoding, written.raw().clone()).unwrap();
        let max = encoding.integers().max();
        let mut expected: Vec<_> = pairs
            .into_iter()
            .filter(|(kind, value)| {
                let fits = matches!(value, PropertyValue::Bytes(_))
                    || matches!(value, PropertyValue::Int(number) if *number <= max);
                *kind <= max && fits
            })
            .collect();
        if encoding.is_delta() {
            expected.sort_by_key(|&(kind, _)| kind);
        }
        prop_assert_eq!(parsed.entries().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn any_bytes_parse_or_are_refused_and_what_parses_can_be_moved_everywhere(
        raw in vec(any::<u8>(), 0..40),
        from in any_encoding(),
        to in any_encoding(),
    ) {
        if let Ok(parsed) = Properties::parse(from, raw.into()) {
            let moved = parsed.to_encoding(to);
            let again = Properties::parse(to, moved.raw().clone()).unwrap();
            prop_assert_eq!(&again, &moved);
            // A second move loses nothing more.
            let twice = moved.to_encoding(DeltaVi64).to_encoding(to);
            prop_assert_eq!(twice.to_encoding(DeltaVi64), moved.to_encoding(DeltaVi64));
            let mandatory = |kind| crate::model::property::kind::MANDATORY.contains(&kind);
            let everywhere = moved.retain(|kind, _| !mandatory(kind) && kind != IMMUTABLE);
            prop_assert!(everywhere.equivalent(&everywhere.to_encoding(DeltaVi64)));
        }
    }
}
