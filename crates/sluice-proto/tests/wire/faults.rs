//! Bytes that break a rule, and the violation they earn in each draft.

use sluice_proto::model::{PropertyError, RequestCode, RequestId, RequestKind, SessionCode};
use sluice_proto::transport::Side;
use sluice_proto::wire::{
    About, Context, Draft, Field, MessageKind as M, RangeFilterFault, Reach, Violation as V,
};

use super::support::*;
use Draft::{D14, D16, D17, D18, D20};

struct Fault {
    draft: Draft,
    context: Context,
    bytes: String,
    violation: V,
}

fn fault(draft: Draft, context: Context, bytes: &str, violation: V) -> Fault {
    Fault { draft, context, bytes: bytes.into(), violation }
}

/// A request with this body.
fn request(draft: Draft, kind: u8, body: &str, violation: V) -> Fault {
    fault(draft, new_request(draft), &frame(kind, body), violation)
}

fn control(draft: Draft, bytes: &str, violation: V) -> Fault {
    fault(draft, Context::control(Side::Client), bytes, violation)
}

fn frame(kind: u8, body: &str) -> String {
    format!("{kind:02X} {:04X} {}", hex(body).len(), body)
}

/// SUBSCRIBE of ("a"), "v" with these parameters, after their count.
fn subscribe(draft: Draft, parameters: &str, violation: V) -> Fault {
    request(draft, 0x03, &format!("00 01 0161 01 76 {parameters}"), violation)
}

fn frames() -> Vec<Fault> {
    let subscribe_ok = |draft| answer(draft, 0, RequestKind::Subscribe);
    vec![
        // Types and streams.
        control(D14, "30 0000", V::UnknownMessage { code: 0x30 }),
        control(D18, "20 0000", V::UnknownMessage { code: 0x20 }),
        control(D20, "1E 0000", V::UnknownMessage { code: 0x1E }),
        control(D18, "03 0001 00", V::MisplacedMessage { message: M::Subscribe }),
        control(D16, "11 0001 00", V::MisplacedMessage { message: M::SubscribeNamespace }),
        fault(
            D16,
            Context::new_request(Side::Client),
            "03 0001 00",
            V::MisplacedMessage { message: M::Subscribe },
        ),
        fault(
            D18,
            Context::new_request(Side::Client),
            "02 0002 00 00",
            V::MisplacedMessage { message: M::RequestUpdate },
        ),
        fault(
            D18,
            Context::request(Side::Client, RequestId(0), About::Update(RequestKind::Fetch)),
            "03 0001 00",
            V::MisplacedMessage { message: M::Subscribe },
        ),
        // The request that one needs: three before the one with id 4.
        request(D17, 0x03, "04 03 01 0161 01 76 00", V::RequiredRequestId { id: 4, delta: 3 }),
        fault(
            D17,
            Context::request(Side::Client, RequestId(0), About::Update(RequestKind::Subscribe)),
            "02 0003 02 02 00",
            V::RequiredRequestId { id: 2, delta: 2 },
        ),
        // Lengths.
        control(D14, "15 0000", V::Truncated { message: M::MaxRequestId, field: Field::RequestId }),
        control(D14, "15 0002 01 00", V::TrailingBytes { message: M::MaxRequestId, bytes: 1 }),
        subscribe(
            D18,
            "02 10 01",
            V::Truncated { message: M::Subscribe, field: Field::ParameterType },
        ),
        // Setup.
        control(D14, "21 0009 C0000000FF00000E 00", V::SetupOrder { message: M::ServerSetup }),
        fault(D18, Context::control(Side::Server), "AF00 0003 01 01 2F", V::UnexpectedPath),
        fault(D18, Context::control(Side::Server), "AF00 0003 05 01 61", V::UnexpectedAuthority),
        control(D18, "AF00 0003 01 01 FF", V::MalformedPath),
        control(D18, "AF00 0003 05 01 07", V::MalformedAuthority),
        control(D18, "AF00 0004 03 02 02 05", V::SetupTokenAlias),
        control(D18, "AF00 0004 04 05 00 06", V::RepeatedParameter { message: M::Setup, code: 4 }),
        control(
            D18,
            "AF00 000B 02 01 FFFFFFFFFFFFFFFFFF",
            V::PairTypeOverflow { message: M::Setup },
        ),
        control(
            D18,
            "AF00 0004 07 C10000",
            V::PairTooLong { message: M::Setup, code: 7, bytes: 0x10000 },
        ),
        // GOAWAY.
        control(D14, "10 0002 01 61", V::GoawayUri),
        fault(
            D18,
            Context::control(Side::Server),
            "10 0003 00 00 01",
            V::GoawayRequestId { id: 1 },
        ),
        fault(
            D14,
            Context::control(Side::Server),
            "10 0002 6001",
            V::TextTooLong { message: M::Goaway, field: Field::Uri, bytes: 0x2001 },
        ),
        // Responses.
        fault(
            D18,
            subscribe_ok(D18),
            "07 0001 00",
            V::UnexpectedResponse { message: M::RequestOk, id: 0 },
        ),
        fault(
            D20,
            answer(D20, 4, RequestKind::Fetch),
            "04 0002 05 00",
            V::UnexpectedResponse { message: M::SubscribeOk, id: 4 },
        ),
        fault(
            D18,
            Context { about: None, ..subscribe_ok(D18) },
            "05 0003 00 00 00",
            V::UnexpectedResponse { message: M::RequestError, id: 0 },
        ),
        fault(
            D18,
            answer(D18, 0, RequestKind::PublishNamespace),
            "07 0003 00 04 07",
            V::UnexpectedProperties { message: M::RequestOk },
        ),
        fault(
            D18,
            subscribe_ok(D18),
            "05 0004 00 00 8401",
            V::TextTooLong { message: M::RequestError, field: Field::Reason, bytes: 0x401 },
        ),
        fault(
            D18,
            later(D18, Side::Client, 1, About::Request(RequestKind::Publish)),
            "05 0008 34 00 00 02 683A 00 00",
            V::Redirect { field: Field::RedirectUri },
        ),
        fault(
            D18,
            answer(D18, 0, RequestKind::PublishNamespace),
            "05 0007 34 00 00 00 00 01 76",
            V::Redirect { field: Field::TrackName },
        ),
    ]
}

fn names() -> Vec<Fault> {
    let announce = |draft, body, violation| request(draft, 0x06, body, violation);
    let fields = |fields| V::NamespaceFields { message: M::PublishNamespace, fields };
    let interest = |fields| V::NamespaceFields { message: M::SubscribeNamespace, fields };
    let long = format!("00 02 4800{} 4801{} 00", "61".repeat(0x800), "62".repeat(0x801));
    vec![
        announce(D14, "00 00 00", fields(0)),
        announce(D16, "00 00 00", fields(0)),
        announce(D18, "00 21 00", fields(33)),
        announce(D14, "00 4021 00", fields(33)),
        announce(D16, "00 01 00 00", V::EmptyNamespaceField { message: M::PublishNamespace }),
        announce(D20, "00 01 00 00", V::EmptyNamespaceField { message: M::PublishNamespace }),
        announce(D16, &long, V::NameTooLong { message: M::PublishNamespace, bytes: 4097 }),
        request(D14, 0x11, "00 00 00", interest(0)),
    ]
}

fn parameters() -> Vec<Fault> {
    let unknown = |code| V::UnknownParameter { message: M::Subscribe, code };
    let misplaced = |code| V::MisplacedParameter { message: M::Subscribe, code };
    let repeated = |code| V::RepeatedParameter { message: M::Subscribe, code };
    let value = |field, value| V::InvalidValue { message: M::Subscribe, field, value };
    let format = |code| V::ParameterFormat { message: M::Subscribe, code };
    let overflow = V::PairTypeOverflow { message: M::Subscribe };
    let token = V::TokenFormat { message: M::Subscribe };
    vec![
        subscribe(D16, "01 04 05", unknown(4)),
        subscribe(D18, "01 7F 05", unknown(0x7F)),
        subscribe(D18, "01 23 02 01 00", unknown(0x23)),
        subscribe(D18, "01 08 05", misplaced(8)),
        subscribe(D20, "01 34 00", misplaced(0x34)),
        subscribe(D16, "02 02 05 00 05", repeated(2)),
        subscribe(D18, "02 10 01 00 01", repeated(0x10)),
        subscribe(D18, "02 02 01 FFFFFFFFFFFFFFFFFF 00", overflow),
        subscribe(D16, "01 10 02", value(Field::Forward, 2)),
        subscribe(D18, "01 10 FF", value(Field::Forward, 255)),
        subscribe(D16, "01 20 4100", value(Field::SubscriberPriority, 256)),
        subscribe(D18, "01 22 00", value(Field::GroupOrder, 0)),
        subscribe(D20, "01 35 02", value(Field::IncludeProperties, 2)),
        subscribe(D16, "01 02 00", value(Field::DeliveryTimeout, 0)),
        subscribe(D18, "01 03 00", token),
        subscribe(D18, "01 03 01 04", token),
        subscribe(D16, "01 03 03 02 05 05", token),
        subscribe(
            D18,
            "01 03 C10000",
            V::PairTooLong { message: M::Subscribe, code: 3, bytes: 0x10000 },
        ),
        fault(
            D16,
            answer(D16, 0, RequestKind::Subscribe),
            "04 0007 00 05 01 09 03 0304",
            V::Truncated { message: M::SubscribeOk, field: Field::ParameterValue },
        ),
        fault(
            D16,
            answer(D16, 0, RequestKind::Subscribe),
            "04 0008 00 05 01 09 03 030400",
            V::ParameterFormat { message: M::SubscribeOk, code: 9 },
        ),
        // A block inside a parameter that does not fill its length.
        subscribe(D20, "01 23 02 00 00", format(0x23)),
        subscribe(D20, "01 23 02 01 09", V::MisplacedParameter { message: M::Subscribe, code: 9 }),
    ]
}

fn filters() -> Vec<Fault> {
    let format = V::FilterFormat { message: M::Subscribe };
    let kind = |value| V::InvalidValue { message: M::Subscribe, field: Field::FilterType, value };
    let range = |code, fault| V::RangeFilter { message: M::Subscribe, code, fault };
    vec![
        subscribe(D16, "01 21 01 05", kind(5)),
        subscribe(D18, "01 21 02 80FA", kind(250)),
        subscribe(D14, "80 00 01 00 00", kind(0)),
        subscribe(D18, "01 21 02 03 00", format),
        subscribe(D18, "01 21 02 02 00", format),
        subscribe(D20, "01 21 05 00 00 00 00 00", format),
        subscribe(D20, "01 21 01 81", format),
        subscribe(
            D18,
            "01 21 0C 04 FFFFFFFFFFFFFFFFFF 00 01",
            V::FilterOverflow { message: M::Subscribe, start: u64::MAX, delta: 1 },
        ),
        subscribe(
            D20,
            "01 21 0B 05 00 FFFFFFFFFFFFFFFFFF",
            V::FilterOverflow { message: M::Subscribe, start: 5, delta: u64::MAX },
        ),
        subscribe(D20, "01 25 02 00 81", range(0x25, RangeFilterFault::Truncated)),
        subscribe(D20, "01 25 01 07", range(0x25, RangeFilterFault::Empty)),
        subscribe(D20, "01 27 03 00 8100", range(0x27, RangeFilterFault::Priority)),
        subscribe(D20, "01 28 03 00 03 00", range(0x28, RangeFilterFault::OddProperty)),
        subscribe(
            D20,
            "01 26 0B 00 01 FFFFFFFFFFFFFFFFFF",
            range(0x26, RangeFilterFault::Overflow),
        ),
        subscribe(D20, "02 25 02 00 03 00 02 00 04", range(0x25, RangeFilterFault::Repeated)),
    ]
}

fn fields() -> Vec<Fault> {
    let of = |message, field, value| V::InvalidValue { message, field, value };
    let properties = |error| V::Properties { message: M::SubscribeOk, error };
    let subscribe_ok = |draft, body: &str, violation| {
        let context = answer(draft, 0, RequestKind::Subscribe);
        fault(draft, context, &frame(0x04, body), violation)
    };
    let property = |code, value| V::TrackPropertyValue { message: M::SubscribeOk, code, value };
    vec![
        request(D14, 0x03, "00 01 0161 00 80 03 01 02 00", of(M::Subscribe, Field::GroupOrder, 3)),
        request(D14, 0x03, "00 01 0161 00 80 00 02 02 00", of(M::Subscribe, Field::Forward, 2)),
        request(D14, 0x1D, "00 01 0161 00 05 00 00 01 00", of(M::Publish, Field::GroupOrder, 0)),
        subscribe_ok(D14, "00 05 00 01 02 00", of(M::SubscribeOk, Field::ContentExists, 2)),
        request(D14, 0x16, "00 80 00 04 00 00 00", of(M::Fetch, Field::FetchType, 4)),
        request(D18, 0x16, "00 00 00", of(M::Fetch, Field::FetchType, 0)),
        fault(
            D18,
            answer(D18, 0, RequestKind::Fetch),
            "18 0004 02 05 00 00",
            of(M::FetchOk, Field::EndOfTrack, 2),
        ),
        fault(
            D16,
            Context::new_request(Side::Client),
            "11 0006 00 01 0161 03 00",
            of(M::SubscribeNamespace, Field::SubscribeOptions, 3),
        ),
        subscribe_ok(D18, "05 00 22 00", property(0x22, 0)),
        subscribe_ok(D20, "05 00 30 02", property(0x30, 2)),
        subscribe_ok(D16, "00 05 00 02 00", property(0x02, 0)),
        subscribe_ok(D18, "05 00 0B 02 22 03", property(0x22, 3)),
        subscribe_ok(D18, "05 00 04", properties(PropertyError::Truncated)),
        subscribe_ok(
            D18,
            "05 00 02 01 FFFFFFFFFFFFFFFFFF 01",
            properties(PropertyError::TypeOverflow),
        ),
    ]
}

fn faults() -> Vec<Fault> {
    let parts = [frames(), names(), parameters(), filters(), fields()];
    parts.into_iter().flatten().collect()
}

#[test]
fn bytes_that_break_a_rule_earn_its_violation() {
    let mut wrong = Vec::new();
    for Fault { draft, context, bytes, violation } in faults() {
        let decoded = decode(draft, &hex(&bytes), &context);
        if decoded != Err(violation) {
            wrong.push(format!("draft {draft}, {bytes}:\n  {decoded:?}\n  not {violation:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_type_that_nobody_knows_is_refused_before_its_body_arrives() {
    for draft in Draft::ALL {
        let mut buf = bytes::BytesMut::from(&hex("3B")[..]);
        let refused = draft.dialect().split_frame(&mut buf);
        assert_eq!(refused, Err(V::UnknownMessage { code: 0x3B }));
    }
}

#[test]
fn a_request_of_draft_17_names_the_one_that_it_needs_by_half_their_distance() {
    let needed = |draft: Draft, body| draft.dialect().needed_request(&hex(body)).map(|id| id.0);
    for (body, expected) in [
        ("04 02 01", Some(0)),
        ("0B 01 00", Some(9)),
        ("8190 14 00", Some(360)),
        ("04 00 01", None),
    ] {
        assert_eq!(needed(D17, body), expected, "{body}");
    }
    // What is refused for it, and what is cut, names none; nor does any other draft.
    for body in ["04 03 01", "04", ""] {
        assert_eq!(needed(D17, body), None, "{body}");
    }
    for draft in Draft::ALL.into_iter().filter(|draft| *draft != D17) {
        assert_eq!(needed(draft, "04 02 01"), None, "{draft}");
    }
}

#[test]
fn a_range_filter_without_sense_costs_its_request_only() {
    let fault = RangeFilterFault::Priority;
    let violation = V::RangeFilter { message: M::Subscribe, code: 0x27, fault };
    assert_eq!(violation.reach(), Reach::Request);
    assert_eq!(violation.request_code(), RequestCode::InvalidFilter);
}

#[test]
fn malformed_values_of_known_types_close_with_the_code_for_pairs() {
    let format = V::ParameterFormat { message: M::Subscribe, code: 9 };
    assert_eq!(format.session_code(), SessionCode::KeyValueFormatting);
    let token = V::TokenFormat { message: M::Subscribe };
    assert_eq!(token.session_code(), SessionCode::KeyValueFormatting);
}

#[test]
fn unknown_and_misplaced_parameters_are_skipped_where_the_draft_skips_them() {
    // 14: unknown 0x7E = 5, twice, and unknown 0x7F of two bytes.
    let skipped = [
        (D14, "00 01 0161 01 76 80 00 01 02 03 407E 05 407E 06 407F 02 6162"),
        // 16: EXPIRES and LARGEST_OBJECT do not belong into SUBSCRIBE.
        (D16, "00 01 0161 01 76 02 08 05 01 02 0304"),
    ];
    for (draft, body) in skipped {
        let decoded = decode(draft, &hex(&frame(0x03, body)), &new_request(draft));
        assert!(decoded.is_ok(), "draft {draft}: {decoded:?}");
    }
}

#[test]
fn unknown_setup_options_are_skipped_and_may_repeat() {
    // The first two types of grease, 0x9D and 0x11C, each twice.
    let bytes = "AF00 000E 07 01 78 8096 02 6162 00 00 7F 05 00 06";
    let decoded = decode(D18, &hex(bytes), &Context::control(Side::Client));
    assert!(decoded.is_ok(), "{decoded:?}");
}

#[test]
fn the_oldest_draft_lets_a_server_name_its_implementation_by_two_types() {
    use sluice_proto::wire::Message;
    for code in ["05", "07"] {
        let bytes = format!("21 000C C0000000FF00000E 01 {code} 01 78");
        let decoded = decode(D14, &hex(&bytes), &Context::control(Side::Server));
        let Ok(Message::ServerSetup { options, .. }) = decoded else {
            panic!("refused: {decoded:?}");
        };
        assert_eq!(options.implementation.as_deref(), Some("x"));
    }
}
