//! Fetch streams: bytes and what they mean, bytes and what they earn.

use super::*;
use crate::model::{FetchedObject, RangeMark, SubgroupId};
use crate::wire::{Inexpressible, Reach};

/// Drafts, order, bytes, meaning. All of them are also written back as they are.
const STREAMS: &[(&[u8], Fetching, &str, &str)] = &[
    (EVERY, ASCENDING, "05 04", "fetch 4"),
    (
        &[14],
        ASCENDING,
        "05 04 0a000080 00 02 6869 0a000180 00 02 796f 0b030580 00 00 00 0b030680 00 00 03",
        "fetch 4 | 10/0 s0? p128{}:6869 | 10/1 s0 p128{}:796f | 11/5 s3 p128{}: \
         | 11/6 s3 p128{}!EndOfGroup",
    ),
    (
        &[15],
        ASCENDING,
        "05 04 1c 0a 00 80 02 6869 01 02 796f 0f 0b 03 05 00 00 01 00 03",
        "fetch 4 | 10/0 s0? p128{}:6869 | 10/1 s0 p128{}:796f | 11/5 s3 p128{}: \
         | 11/6 s3 p128{}!EndOfGroup",
    ),
    (
        &[16, 17],
        ASCENDING,
        "05 04 1c 0a 00 80 02 6869 01 02 796f 0f 0b 03 05 00",
        "fetch 4 | 10/0 s0 p128{}:6869 | 10/1 s0 p128{}:796f | 11/5 s3 p128{}:",
    ),
    (
        &[18, 20],
        ASCENDING,
        "05 04 1c 0a 00 80 02 6869 01 02 796f 0f 00 03 05 00 4c 00 06 00 04 02 00",
        "fetch 4 | 10/0 s0 p128{}:6869 | 10/1 s0 p128{}:796f | 11/5 s3 p128{}: \
         | 12/6 datagram p128{}: | 12/8 s0 p128{}:",
    ),
    (
        &[18, 20],
        DESCENDING,
        "05 04 1c 0a 00 80 00 0d 01 00 02 6869",
        "fetch 4 | 10/0 s0 p128{}: | 8/0 s0 p128{}:6869",
    ),
    (
        &[16, 17],
        DESCENDING,
        "05 04 1c 0a 00 80 00 0d 08 00 02 6869",
        "fetch 4 | 10/0 s0 p128{}: | 8/0 s0 p128{}:6869",
    ),
    (
        &[18, 20],
        ASCENDING,
        "05 04 3f 0a 05 01 80 02 3c02 01 61 22 02 3c02 00 12 07 00",
        "fetch 4 | 10/1 s5 p128{3c=2}:61 | 10/2 s6 p128{3c=2}: | 10/3 s7 p7{}:",
    ),
];

#[test]
fn fetch_streams_are_read_and_written_back_in_every_draft() {
    for (drafts, fetching, text, meaning) in STREAMS {
        for &draft in *drafts {
            let bytes = hex(text);
            let seen = read_whole_and_cut(dialect(draft), &bytes, *fetching);
            assert_eq!(seen.fault, None, "draft {draft}: {text}");
            assert_eq!(seen.text(), *meaning, "draft {draft}: {text}");
            assert_eq!(show_bytes(&seen.rewritten), show_bytes(&bytes), "draft {draft}");
        }
    }
}

#[test]
fn forms_that_are_read_and_never_sent_are_understood() {
    let rows: &[(&[u8], Fetching, &str, &str)] = &[
        // The object id counts on across groups.
        (
            &[16],
            ASCENDING,
            "05 04 1c 0b 05 80 00 4048 0c 00",
            "fetch 4 | 11/5 s0 p128{}: | 12/6 datagram p128{}:",
        ),
        (
            &[17],
            ASCENDING,
            "05 04 1c 0b 05 80 00 48 0c 00",
            "fetch 4 | 11/5 s0 p128{}: | 12/6 datagram p128{}:",
        ),
        (
            &[18, 20],
            ASCENDING,
            "05 04 1c 0b 05 80 00 48 00 00",
            "fetch 4 | 11/5 s0 p128{}: | 12/6 datagram p128{}:",
        ),
        (
            &[18, 20],
            DESCENDING,
            "05 04 1c 0a 00 80 00 0c 01 00 02 6869",
            "fetch 4 | 10/0 s0 p128{}: | 8/0 s0 p128{}:6869",
        ),
        // A datagram's low flags mean nothing, and its absent subgroup is not referred to.
        (
            &[18, 20],
            ASCENDING,
            "05 04 1f 0a 05 00 80 00 43 00 01 00",
            "fetch 4 | 10/0 s5 p128{}: | 10/1 datagram p128{}: | 10/2 s5 p128{}:",
        ),
        // An empty block of properties.
        (&[16, 18], ASCENDING, "05 04 3c 0a 00 80 00 00", "fetch 4 | 10/0 s0 p128{}:"),
    ];
    for (drafts, fetching, text, meaning) in rows {
        for &draft in *drafts {
            let seen = read_whole_and_cut(dialect(draft), &hex(text), *fetching);
            assert_eq!(seen.fault, None, "draft {draft}: {text}");
            assert_eq!(seen.text(), *meaning, "draft {draft}: {text}");
        }
    }
}

#[test]
fn broken_fetch_streams_earn_the_violation_of_their_rule() {
    const FLAGGED: &[u8] = &[15, 16, 17, 18, 20];
    let no_prior = |field| DataViolation::NoPriorObject { field };
    let order = |prior: (u64, u64), next: (u64, u64)| DataViolation::FetchOrder {
        prior: Location::new(prior.0, prior.1),
        location: Location::new(next.0, next.1),
    };
    let unknown = |flags| DataViolation::UnknownFetchFlags { flags };
    let down = DataViolation::FetchIdOutOfRange { field: FetchField::Group, prior: 10, delta: 10 };
    let rows: &[(&[u8], Fetching, &str, DataViolation)] = &[
        (FLAGGED, ASCENDING, "05 04 00 02 6869", no_prior(FetchField::Group)),
        (FLAGGED, ASCENDING, "05 04 08 0a 00", no_prior(FetchField::Object)),
        (FLAGGED, ASCENDING, "05 04 04 0a 00", no_prior(FetchField::Group)),
        (FLAGGED, ASCENDING, "05 04 0c 0a 00 02 6869", no_prior(FetchField::Priority)),
        (FLAGGED, ASCENDING, "05 04 1d 0a 00 80 00", no_prior(FetchField::Subgroup)),
        (FLAGGED, ASCENDING, "05 04 1e 0a 00 80 00", no_prior(FetchField::Subgroup)),
        (&[15], ASCENDING, "05 04 4c 0a 00 80", unknown(0x4C)),
        (&[15], ASCENDING, "05 04 8c 0a 00", unknown(0x8C)),
        (&[16], ASCENDING, "05 04 4080 0a 00", unknown(0x80)),
        (&[17, 18, 20], ASCENDING, "05 04 8080 0a 00", unknown(0x80)),
        (&[16], ASCENDING, "05 04 420c 0a 00", unknown(0x20C)),
        (&[17, 18], ASCENDING, "05 04 820c 0a 00", unknown(0x20C)),
        (&[14], ASCENDING, "05 04 0a000080 00 01 61 0a000080 00 01 61", order((10, 0), (10, 0))),
        (&[14], ASCENDING, "05 04 0a000080 00 01 61 09000080 00 01 61", order((10, 0), (9, 0))),
        (&[14], DESCENDING, "05 04 0a000080 00 01 61 0b000080 00 01 61", order((10, 0), (11, 0))),
        (&[16], ASCENDING, "05 04 1c 0a 05 80 00 04 05 00", order((10, 5), (10, 5))),
        (&[18, 20], ASCENDING, "05 04 1c 0a 05 80 00 04 00 00", order((10, 5), (10, 5))),
        (&[18, 20], DESCENDING, "05 04 1c 0a 05 80 00 0c 0a 00 00", down),
        (EVERY, ASCENDING, "05", DataViolation::CutByFin),
        (FLAGGED, ASCENDING, "05 04 1c 0a 00 80 02 68", DataViolation::CutByFin),
        (&[16, 18], ASCENDING, "05 04 1c 0a 00 80 00 00", DataViolation::CutByFin),
    ];
    for (drafts, fetching, text, violation) in rows {
        for &draft in *drafts {
            let seen = read_stream(dialect(draft), &hex(text), *fetching, true);
            assert_eq!(seen.fault, Some((*violation).into()), "draft {draft}: {text}");
        }
    }
    assert_eq!(order((1, 1), (1, 1)).reach(), Reach::Track);
    let max = "ffffffffffffffffff";
    let overflows = [
        (format!("1c 0a {max} 80 00 01 00"), FetchField::Object, u64::MAX, 1),
        (format!("1c 0a {max} 80 00 04 01 00"), FetchField::Object, u64::MAX, 1),
        (format!("1c {max} 00 80 00 0c 00 00 00"), FetchField::Group, u64::MAX, 0),
        (format!("1f 0a {max} 00 80 00 02 00"), FetchField::Subgroup, u64::MAX, 1),
    ];
    for (text, field, prior, delta) in overflows {
        let seen = read_stream(dialect(18), &hex(&format!("05 04 {text}")), ASCENDING, true);
        let violation = DataViolation::FetchIdOutOfRange { field, prior, delta };
        assert_eq!(seen.fault, Some(violation.into()), "{text}");
    }
    // The largest id of RFC 9000's integers.
    let seen =
        read_stream(dialect(16), &hex("05 04 1c 0a ffffffffffffffff 80 00 01 00"), ASCENDING, true);
    let prior = (1 << 62) - 1;
    let violation = DataViolation::FetchIdOutOfRange { field: FetchField::Object, prior, delta: 1 };
    assert_eq!(seen.fault, Some(violation.into()));
}

const BARE: MarkReading = MarkReading { ids: IdForm::Absolute, length: false };
const WITH_LENGTH: MarkReading = MarkReading { length: true, ..BARE };

/// Asked for 10/0 to 20/9.
const ASKED: Fetching =
    Fetching { range: Some((Location::new(10, 0), Location::new(20, 9))), ..ASCENDING };

#[test]
fn ranges_without_objects_are_understood_in_every_form_that_is_in_use() {
    let unknown = "fetch 4 | 10/0 s0 p128{}:61 | ..13/9 Unknown";
    let then = "fetch 4 | 10/0 s0 p128{}:61 | ..13/9 Unknown | 14/0 s0 p128{}:62";
    let rows: &[(&[u8], &str, &str)] = &[
        (&[16], "05 04 1c0a0080 01 61 410c 0d 09", unknown),
        (&[17, 18], "05 04 1c0a0080 01 61 810c 0d 09", unknown),
        // With the payload length that some write.
        (&[17, 18], "05 04 1c0a0080 01 61 810c 0d 09 00", unknown),
        (&[17], "05 04 1c0a0080 01 61 810c 0d 09 0c 0e 00 01 62", then),
        (&[18], "05 04 1c0a0080 01 61 810c 0d 09 0c 00 00 01 62", then),
        // Ids as differences: 10 + 2 + 1.
        (&[20], "05 04 1c0a0080 01 61 810c 02 09", unknown),
        (&[20], "05 04 1c0a0080 01 61 810c 02 09 00", unknown),
        (&[20], "05 04 1c0a0080 01 61 810c 02 09 0c 00 00 01 62", then),
        // Before draft 20 such ids cannot be absolute, being behind.
        (&[18], "05 04 1c0a0080 01 61 810c 02 09", unknown),
        // In draft 20 a difference of 13 would lie beyond what was asked for.
        (&[20], "05 04 1c0a0080 01 61 810c 0d 09", unknown),
        (&[20], "05 04 820c 0b 03 1c 00 00 80 00", "fetch 4 | ..11/3 TimedOut | 12/0 s0 p128{}:"),
        // No object has a priority to inherit, so this 0 is a length and no flags.
        (
            &[18, 20],
            "05 04 808c 0b 03 00 1c 00 00 80 00",
            "fetch 4 | ..11/3 NonExistent | 12/0 s0 p128{}:",
        ),
        // Here it is an object, though: 13/10.
        (
            &[18],
            "05 04 1c0a0080 01 61 810c 0d 09 00 01 62",
            "fetch 4 | 10/0 s0 p128{}:61 | ..13/9 Unknown | 13/10 s0 p128{}:62",
        ),
    ];
    for (drafts, text, meaning) in rows {
        for &draft in *drafts {
            let seen = read_stream(dialect(draft), &hex(text), ASKED, true);
            assert_eq!(seen.fault, None, "draft {draft}: {text}");
            assert_eq!(seen.text(), *meaning, "draft {draft}: {text}");
        }
    }
}

#[test]
fn a_peer_known_to_write_a_length_after_a_range_is_read_so() {
    let known = Fetching { reading: Some(WITH_LENGTH), ..ASKED };
    let text = "05 04 1c0a0080 01 61 810c 0d 09 00 0c 00 00 01 62";
    let seen = read_whole_and_cut(dialect(18), &hex(text), known);
    let meaning = "fetch 4 | 10/0 s0 p128{}:61 | ..13/9 Unknown | 14/0 s0 p128{}:62";
    assert_eq!((seen.text().as_str(), seen.fault), (meaning, None));
}

#[test]
fn what_a_stream_shows_of_its_peer_is_remembered() {
    let feed = |text: &str| {
        let mut decoder = FetchDecoder::new(dialect(18), GroupOrder::Ascending);
        let mut rest = hex(text);
        while let Some((_, read)) = decoder.decode_item(&rest).unwrap() {
            rest = rest.slice(read..);
        }
        decoder.end(&rest, 0).unwrap();
        decoder.reading()
    };
    assert_eq!(feed("810c 0d 09"), BARE);
    assert_eq!(feed("810c 0d 09 00"), WITH_LENGTH);
    assert_eq!(feed("1c0a0080 00 810c 02 09"), MarkReading { ids: IdForm::Delta, ..BARE });
}

fn object(group: u64, object: u64, delivery: Delivery) -> FetchItem {
    FetchItem::Object(FetchedObject {
        location: Location::new(group, object),
        delivery,
        priority: Priority(128),
        properties: Properties::default(),
        status: ObjectStatus::Normal,
        payload_bytes: 0,
    })
}

fn write(encoder: &mut FetchEncoder, item: &FetchItem) -> Result<String, Inexpressible> {
    let mut out = BytesMut::new();
    encoder.encode(item, &mut out).map(|()| show_bytes(&out))
}

#[test]
fn marks_are_written_as_the_peer_reads_them() {
    let first = object(10, 0, Delivery::Subgroup(SubgroupId(0)));
    let mark = FetchItem::EndOfRange(Location::new(13, 9), RangeMark::Unknown);
    for (draft, reading, expected) in [
        (16, None, Ok("410c0d09")),
        (18, None, Ok("810c0d09")),
        (18, Some(WITH_LENGTH), Ok("810c0d0900")),
        (20, None, Ok("810c0209")),
        (20, Some(BARE), Ok("810c0d09")),
        (14, None, Err(DataInexpressible::RangeMark(RangeMark::Unknown))),
        (14, Some(BARE), Err(DataInexpressible::RangeMark(RangeMark::Unknown))),
    ] {
        let mut encoder = FetchEncoder::new(dialect(draft), GroupOrder::Ascending);
        if let Some(reading) = reading {
            encoder = encoder.with_reading(reading);
        }
        write(&mut encoder, &first).unwrap();
        let expected = expected.map(str::to_owned).map_err(Inexpressible::Data);
        assert_eq!(write(&mut encoder, &mark), expected, "draft {draft}");
    }
    let mut encoder = FetchEncoder::new(dialect(18), GroupOrder::Ascending);
    let timed_out = FetchItem::EndOfRange(Location::new(13, 9), RangeMark::TimedOut);
    let refused = DataInexpressible::RangeMark(RangeMark::TimedOut);
    assert_eq!(write(&mut encoder, &timed_out), Err(Inexpressible::Data(refused)));
}

#[test]
fn fetched_objects_are_told_in_the_words_of_each_draft() {
    let items = [
        object(10, 4, Delivery::Datagram),
        object(10, 5, Delivery::Unknown(SubgroupId(5))),
        object(10, 6, Delivery::Subgroup(SubgroupId(6))),
    ];
    for (draft, expected) in [
        (14, ["0a040480000000", "0a050580000000", "0a060680000000"]),
        (15, ["1f0a0404800000", "020000", "020000"]),
        (16, ["405c0a048000", "030500", "0200"]),
        (18, ["5c0a048000", "030500", "0200"]),
    ] {
        let mut encoder = FetchEncoder::new(dialect(draft), GroupOrder::Ascending);
        let written = items.each_ref().map(|item| write(&mut encoder, item).unwrap());
        assert_eq!(written, expected, "draft {draft}");
    }
}

#[test]
fn an_object_that_cannot_be_written_leaves_the_stream_as_it_was() {
    let mut encoder = FetchEncoder::new(dialect(18), GroupOrder::Ascending);
    write(&mut encoder, &object(10, 4, Delivery::Subgroup(SubgroupId(0)))).unwrap();
    let behind = object(10, 4, Delivery::Subgroup(SubgroupId(0)));
    let disorder = Err(Inexpressible::Data(DataInexpressible::Disorder));
    assert_eq!(write(&mut encoder, &behind), disorder);
    let FetchItem::Object(mut end) = object(10, 5, Delivery::Subgroup(SubgroupId(0))) else {
        unreachable!()
    };
    end.status = ObjectStatus::EndOfGroup;
    let no_status = Err(Inexpressible::Data(DataInexpressible::FetchStatus));
    assert_eq!(write(&mut encoder, &FetchItem::Object(end)), no_status);
    let next = object(10, 5, Delivery::Subgroup(SubgroupId(0)));
    assert_eq!(write(&mut encoder, &next), Ok("0100".to_owned()));
}
