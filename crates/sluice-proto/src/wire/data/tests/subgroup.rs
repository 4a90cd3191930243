//! Subgroup streams: bytes and what they mean, bytes and what they earn.

use super::*;
use crate::model::{
    GroupId, MalformedProperties, ObjectHead, ObjectId, PropertyError, SubgroupId, TrackAlias,
};
use crate::wire::{Inexpressible, Reach};

/// Drafts, bytes, meaning. All of them are also written back as they are.
const STREAMS: &[(&[u8], &str, &str)] = &[
    (
        &[14],
        "11 40c8 07 80 03 04 3c02 3e01 02 6869 00 00 02 796f 00 00 00 03",
        "a200 g7 s0 p128 +props | 3{3c=2,3e=1}:6869 | 4{}:796f | 5{}!EndOfGroup",
    ),
    (
        &[15],
        "31 40c8 07 03 04 3c02 3e01 02 6869 00 00 02 796f 00 00 00 03",
        "a200 g7 s0 p- +props | 3{3c=2,3e=1}:6869 | 4{}:796f | 5{}!EndOfGroup",
    ),
    (
        &[16],
        "31 40c8 07 03 04 3c02 0201 02 6869 00 00 02 796f 00 00 00 03",
        "a200 g7 s0 p- +props | 3{3c=2,3e=1}:6869 | 4{}:796f | 5{}!EndOfGroup",
    ),
    (
        &[17],
        "31 80c8 07 03 04 3c02 0201 02 6869 00 00 02 796f 00 00 00 03",
        "a200 g7 s0 p- +props | 3{3c=2,3e=1}:6869 | 4{}:796f | 5{}!EndOfGroup",
    ),
    (
        &[18, 20],
        "71 80c8 07 03 04 3c02 0201 02 6869 00 00 02 796f 00 00 00 03",
        "a200 g7 s0 p- +props +first | 3{3c=2,3e=1}:6869 | 4{}:796f | 5{}!EndOfGroup",
    ),
    (EVERY, "10 02 07 80", "a2 g7 s0 p128"),
    (EVERY, "12 02 07 80 05 01 61", "a2 g7 s=first p128 | 5{}:61"),
    (EVERY, "14 02 07 03 80", "a2 g7 s3 p128"),
    (EVERY, "1c 02 07 03 80 00 01 61", "a2 g7 s3 p128 +end | 0{}:61"),
    (&[15, 16, 17, 18, 20], "34 02 07 03", "a2 g7 s3 p-"),
    (&[18, 20], "54 02 07 03 80", "a2 g7 s3 p128 +first"),
    (EVERY, "10 02 07 80 00 00 00", "a2 g7 s0 p128 | 0{}:"),
    (EVERY, "10 02 07 80 00 00 04", "a2 g7 s0 p128 | 0{}!EndOfTrack"),
    (&[14, 15], "10 02 07 80 00 00 01", "a2 g7 s0 p128 | 0{}!DoesNotExist"),
    (&[14], "11 02 07 80 05 02 3c01 00 03", "a2 g7 s0 p128 +props | 5{3c=1}!EndOfGroup"),
];

#[test]
fn subgroup_streams_are_read_and_written_back_in_every_draft() {
    for (drafts, text, meaning) in STREAMS {
        for &draft in *drafts {
            let bytes = hex(text);
            let seen = read_whole_and_cut(dialect(draft), &bytes, ASCENDING);
            assert_eq!(seen.fault, None, "draft {draft}: {text}");
            assert_eq!(seen.text(), *meaning, "draft {draft}: {text}");
            assert_eq!(show_bytes(&seen.rewritten), show_bytes(&bytes), "draft {draft}");
        }
    }
}

#[test]
fn every_subgroup_type_of_a_draft_is_read_and_no_other() {
    for (draft, count) in [(14, 12), (15, 24), (16, 24), (17, 24), (18, 48), (20, 48)] {
        let dialect = dialect(draft);
        let accepted = (0..=0xFFFF_u64).filter(|&code| {
            let mut bytes = BytesMut::new();
            dialect.integers.put(code, &mut bytes).unwrap();
            bytes.extend_from_slice(&[2, 7, 3, 128]);
            matches!(dialect.decode_uni_head(&bytes), Ok(Some((UniHead::Subgroup(_), _))))
        });
        assert_eq!(accepted.count(), count, "draft {draft}");
    }
}

#[test]
fn integers_longer_than_needed_are_read_and_never_sent() {
    for (drafts, text) in
        [(&[14, 15, 16][..], "4014 02 07 03 80"), (&[17, 18, 20][..], "8014 02 07 03 80")]
    {
        for &draft in drafts {
            let seen = read_whole_and_cut(dialect(draft), &hex(text), ASCENDING);
            assert_eq!(seen.text(), "a2 g7 s3 p128");
            assert_eq!(show_bytes(&seen.rewritten), "1402070380");
        }
    }
}

#[test]
fn padding_and_the_control_stream_are_told_from_their_whole_type() {
    for draft in [18, 20] {
        let seen = read_whole_and_cut(dialect(draft), &hex("f0132b3e28 00 00"), ASCENDING);
        assert_eq!(seen.text(), "Padding");
    }
    for draft in [17, 18, 20] {
        let head = dialect(draft).decode_uni_head(&hex("af00 0000"));
        assert_eq!(head, Ok(Some((UniHead::Control, 0))), "the type stays for the message");
    }
}

fn types(what: fn(u64) -> DataViolation, codes: &[u64]) -> Vec<DataViolation> {
    codes.iter().copied().map(what).collect()
}

#[test]
fn broken_streams_earn_the_violation_of_their_rule() {
    let unknown = |code| DataViolation::UnknownStreamType { code };
    let reserved = |code| DataViolation::ReservedSubgroupForm { code };
    let status = |status| DataViolation::UnknownStatus { status };
    let on_status = DataViolation::PropertiesOnStatus { status: ObjectStatus::EndOfGroup };
    let on_absent = DataViolation::PropertiesOnStatus { status: ObjectStatus::DoesNotExist };
    let nine = "ffffffffffffffffff";
    let gap = DataViolation::MalformedProperties {
        location: Location::new(7, 0),
        error: MalformedProperties::GapTooLarge { kind: 0x3E, gap: 1, id: 0 },
    };
    let rows: &[(&[u8], &str, DataViolation)] = &[
        (EVERY, "16 02 07 80", reserved(0x16)),
        (EVERY, "1e 02 07 80", reserved(0x1E)),
        (&[15, 16, 17, 18, 20], "3e 02 07", reserved(0x3E)),
        (&[14], "34 02 07 03", unknown(0x34)),
        (&[14, 15, 16], "5402 02 07 03 80", unknown(0x1402)),
        (&[17], "54 02 07 03 80", unknown(0x54)),
        (&[17], "f0132b3e28", unknown(0x132B_3E28)),
        (&[14, 15, 16], "6f00", unknown(0x2F00)),
        (EVERY, "00 02", unknown(0)),
        (EVERY, "06 02", unknown(6)),
        (&[18, 20], "8090 02", unknown(0x90)),
        (&[17], "fc000000000000 00", DataViolation::InvalidInteger { byte: 0xFC }),
        (&[17], "10 fd", DataViolation::InvalidInteger { byte: 0xFD }),
        (EVERY, "10 02 07 80 00 00 02", status(2)),
        (&[16, 17, 18, 20], "10 02 07 80 00 00 01", status(1)),
        (&[15, 16, 17, 18, 20], "11 02 07 80 05 02 3c01 00 03", on_status),
        (&[14, 15], "11 02 07 80 05 02 3c01 00 01", on_absent),
        (EVERY, "11 02 07 80 00 02 3e01 00 00", gap),
        (EVERY, "11 02 07 80 00 01 3c", DataViolation::Properties(PropertyError::Truncated)),
        (
            &[14, 15, 16],
            "11 02 07 80 00 80010001",
            DataViolation::PropertiesTooLong { bytes: 65_537 },
        ),
        (EVERY, "10", DataViolation::CutByFin),
        (EVERY, "10 02 07 80 00", DataViolation::CutByFin),
        (EVERY, "10 02 07 80 00 02 68", DataViolation::CutByFin),
        (EVERY, "11 02 07 80 00 04 3c", DataViolation::CutByFin),
    ];
    for (drafts, text, violation) in rows {
        for &draft in *drafts {
            let seen = read_stream(dialect(draft), &hex(text), ASCENDING, true);
            assert_eq!(seen.fault, Some((*violation).into()), "draft {draft}: {text}");
        }
    }
    let overflow = format!("10 02 07 80 {nine} 01 61 00 01 62");
    for draft in [18, 20] {
        let seen = read_stream(dialect(draft), &hex(&overflow), ASCENDING, true);
        let violation = DataViolation::ObjectIdOverflow { previous: u64::MAX, delta: 0 };
        assert_eq!(seen.fault, Some(violation.into()));
    }
    for draft in [14, 16] {
        let text = "10 02 07 80 ffffffffffffffff 01 61 00 01 62";
        let seen = read_stream(dialect(draft), &hex(text), ASCENDING, true);
        let violation = DataViolation::ObjectIdOverflow { previous: (1 << 62) - 1, delta: 0 };
        assert_eq!(seen.fault, Some(violation.into()));
    }
    let reserved_everywhere = types(reserved, &[0x16, 0x1E, 0x17, 0x1F]);
    assert!(reserved_everywhere.iter().all(|violation| violation.reach() == Reach::Session));
    assert_eq!(gap.reach(), Reach::Track);
    assert_eq!(DataViolation::PropertiesTooLong { bytes: 1 << 20 }.reach(), Reach::Stream);
}

fn head() -> SubgroupHead {
    SubgroupHead {
        alias: TrackAlias(2),
        group: GroupId(7),
        subgroup: SubgroupIdField::Id(SubgroupId(0)),
        priority: Some(Priority(128)),
        properties: true,
        end_of_group: false,
        first_object: false,
    }
}

fn object(id: u64) -> ObjectHead {
    ObjectHead {
        object: ObjectId(id),
        properties: Properties::default(),
        status: ObjectStatus::Normal,
        payload_bytes: 1,
    }
}

fn with_property(object: ObjectHead) -> ObjectHead {
    let pairs = [(0x40, PropertyValue::Int(1))];
    let properties = Properties::from_entries(PropertyEncoding::DeltaVi64, pairs).unwrap();
    ObjectHead { properties, ..object }
}

#[test]
fn what_a_draft_cannot_say_is_refused_and_leaves_no_bytes() {
    let mut out = BytesMut::from(&b"before"[..]);
    let inherited = SubgroupHead { priority: None, ..head() };
    let refused = dialect(14).encode_subgroup_head(&inherited, &mut out);
    assert_eq!(refused, Err(Inexpressible::Data(DataInexpressible::InheritedPriority)));
    let far = SubgroupHead { group: GroupId(1 << 62), ..head() };
    let refused = dialect(16).encode_subgroup_head(&far, &mut out);
    assert_eq!(refused, Err(Inexpressible::TooLarge(1 << 62)));
    let absent = ObjectHead { status: ObjectStatus::DoesNotExist, payload_bytes: 0, ..object(3) };
    let refused = dialect(18).encode_object(&head(), None, &absent, &mut out);
    assert_eq!(refused, Err(Inexpressible::Data(DataInexpressible::Absence)));
    let refused = dialect(18).encode_object(&head(), Some(ObjectId(3)), &object(3), &mut out);
    assert_eq!(refused, Err(Inexpressible::Data(DataInexpressible::Disorder)));
    let plain = SubgroupHead { properties: false, ..head() };
    let refused = dialect(18).encode_object(&plain, None, &with_property(object(3)), &mut out);
    assert_eq!(refused, Err(Inexpressible::Data(DataInexpressible::PropertiesOnPlainStream)));
    let stated = ObjectHead { status: ObjectStatus::EndOfGroup, ..object(3) };
    let refused = dialect(18).encode_object(&head(), None, &stated, &mut out);
    assert_eq!(refused, Err(Inexpressible::Data(DataInexpressible::PayloadWithStatus)));
    assert_eq!(&out[..], b"before");
}

#[test]
fn properties_of_an_end_mark_go_on_only_where_they_are_legal() {
    let end = ObjectHead { status: ObjectStatus::EndOfGroup, payload_bytes: 0, ..object(5) };
    let end = with_property(end);
    for (draft, text) in [(14, "05 03 404001 00 03"), (16, "05 00 00 03"), (18, "05 00 00 03")] {
        let mut out = BytesMut::new();
        dialect(draft).encode_object(&head(), None, &end, &mut out).unwrap();
        assert_eq!(Bytes::from(out), hex(text), "draft {draft}");
    }
}

#[test]
fn drafts_that_write_objects_alike_share_a_layout() {
    let layout = |draft| dialect(draft).object_layout();
    assert_eq!(layout(18), layout(20));
    assert_ne!(layout(16), layout(18));
    assert_ne!(layout(14), layout(16));
    assert!(!dialect(14).inherits_priority() && dialect(16).inherits_priority());
}

#[test]
fn a_subgroup_is_named_in_the_shortest_way_that_is_true() {
    let shortest =
        |id, first: Option<u64>| SubgroupIdField::shortest(SubgroupId(id), first.map(ObjectId));
    assert_eq!(shortest(0, Some(0)), SubgroupIdField::Id(SubgroupId(0)));
    assert_eq!(shortest(5, Some(5)), SubgroupIdField::FirstObject);
    assert_eq!(shortest(5, Some(6)), SubgroupIdField::Id(SubgroupId(5)));
    assert_eq!(shortest(5, None), SubgroupIdField::Id(SubgroupId(5)));
}

#[test]
fn an_object_of_one_encoding_is_passed_on_without_copying_its_properties() {
    let bytes = hex("03 04 3c02 0201 02 6869");
    let mut decoder = SubgroupDecoder::new(dialect(18), &head());
    let (object, _) = decoder.decode_object(&bytes).unwrap().unwrap();
    assert_eq!(object.properties.raw().as_ptr(), bytes[2..].as_ptr());
}
