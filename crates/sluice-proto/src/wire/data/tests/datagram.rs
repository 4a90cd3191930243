//! Datagrams: bytes and what they mean, bytes and what they earn.

use super::*;
use crate::model::TrackAlias;
use crate::wire::Inexpressible;

const SINCE_15: &[u8] = &[15, 16, 17, 18, 20];
const SINCE_16: &[u8] = &[16, 17, 18, 20];

/// Drafts, bytes, meaning. All of them are also written back as they are.
const DATAGRAMS: &[(&[u8], &str, &str)] = &[
    (EVERY, "00 02 07 03 80 6869", "a2 7/3 p128 {}:6869"),
    (EVERY, "04 02 07 80 6869", "a2 7/0 p128 {}:6869"),
    (EVERY, "02 02 07 03 80 6869", "a2 7/3 p128 +end {}:6869"),
    (EVERY, "01 02 07 03 80 02 3c02 6869", "a2 7/3 p128 {3c=2}:6869"),
    (EVERY, "00 02 07 03 80", "a2 7/3 p128 {}:"),
    (EVERY, "20 02 07 03 80 03", "a2 7/3 p128 {}!EndOfGroup"),
    (&[14], "21 02 07 03 80 02 3c02 03", "a2 7/3 p128 {3c=2}!EndOfGroup"),
    (&[14, 15], "20 02 07 00 80 04", "a2 7/0 p128 {}!EndOfTrack"),
    (SINCE_16, "24 02 07 80 04", "a2 7/0 p128 {}!EndOfTrack"),
    (&[14, 15], "20 02 07 03 80 01", "a2 7/3 p128 {}!DoesNotExist"),
    (SINCE_15, "08 02 07 03 6869", "a2 7/3 p- {}:6869"),
    (SINCE_15, "0c 02 07 6869", "a2 7/0 p- {}:6869"),
    (SINCE_15, "28 02 07 03 03", "a2 7/3 p- {}!EndOfGroup"),
    (SINCE_16, "2c 02 07 03", "a2 7/0 p- {}!EndOfGroup"),
    (&[15, 16], "08 40c8 07 03 6869", "a200 7/3 p- {}:6869"),
    (&[17, 18, 20], "08 80c8 07 03 6869", "a200 7/3 p- {}:6869"),
];

#[test]
fn datagrams_are_read_and_written_back_in_every_draft() {
    for (drafts, text, meaning) in DATAGRAMS {
        for &draft in *drafts {
            let dialect = dialect(draft);
            let (head, payload) = dialect.decode_datagram(hex(text)).unwrap().unwrap();
            assert_eq!(show_datagram(&head, &payload), *meaning, "draft {draft}: {text}");
            let mut out = BytesMut::new();
            dialect.encode_datagram(&head, &mut out).unwrap();
            out.extend_from_slice(&payload);
            assert_eq!(show_bytes(&out), show_bytes(&hex(text)), "draft {draft}");
        }
    }
}

#[test]
fn forms_that_are_read_and_never_sent_mean_what_the_shortest_form_says() {
    let rows: &[(&[u8], &str, &str, &str)] = &[
        // A status of Normal is an empty object.
        (EVERY, "20 02 07 03 80 00", "a2 7/3 p128 {}:", "00 02 07 03 80"),
        (EVERY, "21 02 07 03 80 02 3c02 00", "a2 7/3 p128 {3c=2}:", "01 02 07 03 80 02 3c02"),
        (&[15], "2c 02 07 03", "a2 7/0 p- {}!EndOfGroup", "28 02 07 00 03"),
        (EVERY, "00 02 07 00 80 61", "a2 7/0 p128 {}:61", "04 02 07 80 61"),
    ];
    for (drafts, text, meaning, sent) in rows {
        for &draft in *drafts {
            let dialect = dialect(draft);
            let (head, payload) = dialect.decode_datagram(hex(text)).unwrap().unwrap();
            assert_eq!(show_datagram(&head, &payload), *meaning, "draft {draft}: {text}");
            let mut out = BytesMut::new();
            dialect.encode_datagram(&head, &mut out).unwrap();
            out.extend_from_slice(&payload);
            assert_eq!(show_bytes(&out), show_bytes(&hex(sent)), "draft {draft}");
        }
    }
}

#[test]
fn every_datagram_type_of_a_draft_is_read_and_no_other() {
    for (draft, count) in [(14, 10), (15, 24), (16, 24), (17, 24), (18, 24), (20, 24)] {
        let dialect = dialect(draft);
        let refused = |code| Err(DataViolation::UnknownDatagramType { code }.into());
        let accepted = (0..=0xFFFF_u64).filter(|&code| {
            let mut bytes = BytesMut::new();
            dialect.integers.put(code, &mut bytes).unwrap();
            dialect.decode_datagram(bytes.freeze()) != refused(code)
        });
        assert_eq!(accepted.count(), count, "draft {draft}");
    }
}

#[test]
fn broken_datagrams_earn_the_violation_of_their_rule() {
    let unknown = |code| DataViolation::UnknownDatagramType { code };
    let on_status = DataViolation::PropertiesOnStatus { status: ObjectStatus::EndOfGroup };
    let rows: &[(&[u8], &str, DataViolation)] = &[
        (EVERY, "01 02 07 03 80 00 6869", DataViolation::EmptyDatagramProperties),
        (SINCE_15, "21 02 07 03 80 02 3c02 03", on_status),
        (EVERY, "22 02 07 03 80 03", unknown(0x22)),
        (EVERY, "10 02 07 03 80 03", unknown(0x10)),
        (&[17, 18, 20], "40 02 07 03 80 03", unknown(0x40)),
        (&[14], "24 02 07 80 03", unknown(0x24)),
        (&[14], "08 02 07 03 03", unknown(0x08)),
        (&[17], "f0132b3e29 00", unknown(0x132B_3E29)),
        (EVERY, "20 02 07 03 80 03 61", DataViolation::PayloadAfterStatus { bytes: 1 }),
        (EVERY, "20 02 07 03 80 02", DataViolation::UnknownStatus { status: 2 }),
        (SINCE_16, "20 02 07 03 80 01", DataViolation::UnknownStatus { status: 1 }),
        (EVERY, "", DataViolation::TruncatedDatagram),
        (EVERY, "00 02 07 03", DataViolation::TruncatedDatagram),
        (EVERY, "01 02 07 03 80 04 3c02", DataViolation::TruncatedDatagram),
        (EVERY, "20 02 07 03 80", DataViolation::TruncatedDatagram),
    ];
    for (drafts, text, violation) in rows {
        for &draft in *drafts {
            let refused = dialect(draft).decode_datagram(hex(text));
            assert_eq!(refused, Err((*violation).into()), "draft {draft}: {text}");
        }
    }
}

#[test]
fn padding_is_nothing() {
    for draft in [18, 20] {
        assert_eq!(dialect(draft).decode_datagram(hex("f0132b3e29 00 00")), Ok(None));
    }
}

#[test]
fn a_datagram_is_told_in_the_words_of_each_draft() {
    let head = DatagramHead {
        alias: TrackAlias(2),
        location: Location::new(7, 0),
        priority: None,
        properties: Properties::default(),
        status: ObjectStatus::EndOfGroup,
        end_of_group: true,
    };
    let write = |draft, head: &DatagramHead| {
        let mut out = BytesMut::new();
        dialect(draft).encode_datagram(head, &mut out).map(|()| show_bytes(&out))
    };
    let inherited = Inexpressible::Data(DataInexpressible::InheritedPriority);
    assert_eq!(write(14, &head), Err(inherited));
    assert_eq!(write(15, &head), Ok("2802070003".to_owned()));
    assert_eq!(write(18, &head), Ok("2c020703".to_owned()));
    let explicit = DatagramHead { priority: Some(Priority(128)), ..head.clone() };
    assert_eq!(write(14, &explicit), Ok("200207008003".to_owned()));
    let absent = DatagramHead { status: ObjectStatus::DoesNotExist, ..explicit };
    assert_eq!(write(14, &absent), Ok("200207008001".to_owned()));
    let absence = Inexpressible::Data(DataInexpressible::Absence);
    assert_eq!(write(16, &absent), Err(absence));
}
