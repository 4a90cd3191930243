//! The resolved tables as files in `tests/snapshots`: what each draft is, and what each violation
//! costs. `UPDATE_SNAPSHOTS=1` writes them anew.

use std::fmt::Write as _;
use std::path::PathBuf;

use sluice_proto::model::{Location, MalformedProperties, ObjectStatus, PropertyError};
use sluice_proto::wire::data::{DataViolation as D, FetchField};
use sluice_proto::wire::{
    Draft, Field, MessageKind as M, NamedFault, NamedKind, NamedViolation as N, RangeFilterFault,
    Reach, Role, Violation as V,
};

fn compare(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = kept.lines().zip(text.lines()).position(|(kept, now)| kept != now);
    let line = differs.unwrap_or_else(|| kept.lines().count().min(text.lines().count()));
    let (before, now) = (kept.lines().nth(line), text.lines().nth(line));
    assert!(
        kept == text,
        "{name} line {}: {before:?} became {now:?}; UPDATE_SNAPSHOTS=1 accepts it",
        line + 1
    );
}

#[test]
fn the_tables_of_all_drafts_are_the_printed_ones() {
    let mut text = String::new();
    for draft in Draft::ALL {
        writeln!(text, "{}", draft.dialect()).unwrap();
    }
    compare("dialects.txt", &text);
}

/// One violation of each kind. The match fails to compile when one is missing.
macro_rules! one_of_each {
    ($type:ty: $($sample:expr => $pattern:pat,)*) => {{
        fn known(violation: &$type) {
            match violation {
                $($pattern => {})*
            }
        }
        let samples: Vec<$type> = vec![$($sample),*];
        samples.iter().for_each(known);
        samples
    }};
}

fn data_violations() -> Vec<D> {
    let location = Location::new(3, 4);
    let field = FetchField::Group;
    one_of_each! { D:
        D::UnknownStreamType { code: 0x3F } => D::UnknownStreamType { .. },
        D::ReservedSubgroupForm { code: 0x16 } => D::ReservedSubgroupForm { .. },
        D::UnknownDatagramType { code: 0x3F } => D::UnknownDatagramType { .. },
        D::InvalidInteger { byte: 0xFC } => D::InvalidInteger { .. },
        D::TruncatedDatagram => D::TruncatedDatagram,
        D::PayloadAfterStatus { bytes: 7 } => D::PayloadAfterStatus { .. },
        D::EmptyDatagramProperties => D::EmptyDatagramProperties,
        D::Properties(PropertyError::Truncated) => D::Properties(_),
        D::PropertiesTooLong { bytes: 70_000 } => D::PropertiesTooLong { .. },
        D::MalformedProperties {
            location,
            error: MalformedProperties::RepeatedGap { kind: 0x3C },
        } => D::MalformedProperties { .. },
        D::UnknownStatus { status: 2 } => D::UnknownStatus { .. },
        D::PropertiesOnStatus { status: ObjectStatus::EndOfGroup } => D::PropertiesOnStatus { .. },
        D::ObjectIdOverflow { previous: 5, delta: u64::MAX } => D::ObjectIdOverflow { .. },
        D::CutByFin => D::CutByFin,
        D::UnknownFetchFlags { flags: 0x80 } => D::UnknownFetchFlags { .. },
        D::NoPriorObject { field } => D::NoPriorObject { .. },
        D::FetchIdOutOfRange { field, prior: 5, delta: 6 } => D::FetchIdOutOfRange { .. },
        D::FetchOrder { prior: location, location } => D::FetchOrder { .. },
        D::MarkWithPayload { bytes: 7 } => D::MarkWithPayload { .. },
    }
}

fn named_violations() -> Vec<V> {
    let message = NamedKind::Subscribe;
    let violations = one_of_each! { N:
        N::UnknownMessage { code: 0x20 } => N::UnknownMessage { .. },
        N::ObjectOnControl => N::ObjectOnControl,
        N::TextTooLong { message, field: Field::TrackName, bytes: 1025 } => N::TextTooLong { .. },
        N::TooManyParameters { message, count: 257 } => N::TooManyParameters { .. },
        N::TooManyVersions { count: 11 } => N::TooManyVersions { .. },
        N::NoCommonVersion => N::NoCommonVersion,
        N::UnknownVersion { version: 0xff00_0002 } => N::UnknownVersion { .. },
        N::UnknownRole { role: 4 } => N::UnknownRole { .. },
        N::NoRole { message: NamedKind::ClientSetup } => N::NoRole { .. },
        N::NotOfRole { message, role: Role::Publisher } => N::NotOfRole { .. },
        N::SetupOrder { message } => N::SetupOrder { .. },
        N::WrongSide { message: NamedKind::Goaway } => N::WrongSide { .. },
        N::LocationMode { field: Field::EndGroup, mode: 4 } => N::LocationMode { .. },
        N::LocationRange => N::LocationRange,
        N::EmptyNamespace { message: NamedKind::Announce } => N::EmptyNamespace { .. },
        N::NothingOpen { message: NamedKind::SubscribeOk } => N::NothingOpen { .. },
        N::DuplicateTrackId { id: 1 } => N::DuplicateTrackId { .. },
        N::UnknownStreamType { code: 0x10 } => N::UnknownStreamType { .. },
        N::Object { fault: NamedFault::Cut } => N::Object { .. },
    };
    violations.into_iter().map(V::Named).collect()
}

fn violations() -> Vec<V> {
    let message = M::Subscribe;
    let mut violations = one_of_each! { V:
        V::UnknownMessage { code: 0x3B } => V::UnknownMessage { .. },
        V::MisplacedMessage { message } => V::MisplacedMessage { .. },
        V::InvalidInteger { message: None, field: Field::MessageType, first: 0xFC }
            => V::InvalidInteger { .. },
        V::Truncated { message, field: Field::TrackName } => V::Truncated { .. },
        V::TrailingBytes { message, bytes: 1 } => V::TrailingBytes { .. },
        V::InvalidValue { message, field: Field::Forward, value: 2 } => V::InvalidValue { .. },
        V::TextTooLong { message: M::Goaway, field: Field::Uri, bytes: 8193 }
            => V::TextTooLong { .. },
        V::NamespaceFields { message, fields: 33 } => V::NamespaceFields { .. },
        V::EmptyNamespaceField { message } => V::EmptyNamespaceField { .. },
        V::NameTooLong { message, bytes: 4097 } => V::NameTooLong { .. },
        V::PairTooLong { message, code: 3, bytes: 65_536 } => V::PairTooLong { .. },
        V::PairTypeOverflow { message } => V::PairTypeOverflow { .. },
        V::UnknownParameter { message, code: 0x7F } => V::UnknownParameter { .. },
        V::MisplacedParameter { message, code: 8 } => V::MisplacedParameter { .. },
        V::RepeatedParameter { message, code: 0x10 } => V::RepeatedParameter { .. },
        V::ParameterFormat { message, code: 9 } => V::ParameterFormat { .. },
        V::FilterFormat { message } => V::FilterFormat { .. },
        V::FilterOverflow { message, start: u64::MAX, delta: 1 } => V::FilterOverflow { .. },
        V::RangeFilter { message, code: 0x27, fault: RangeFilterFault::Priority }
            => V::RangeFilter { .. },
        V::TooManyRanges { ranges: 9, max: 8 } => V::TooManyRanges { .. },
        V::Properties { message: M::Publish, error: PropertyError::Truncated }
            => V::Properties { .. },
        V::TrackPropertyValue { message: M::Publish, code: 0x22, value: 3 }
            => V::TrackPropertyValue { .. },
        V::UnexpectedProperties { message: M::RequestOk } => V::UnexpectedProperties { .. },
        V::NoCommonVersion => V::NoCommonVersion,
        V::UnknownVersion { version: 0xff00_0001 } => V::UnknownVersion { .. },
        V::SetupOrder { message } => V::SetupOrder { .. },
        V::UnexpectedPath => V::UnexpectedPath,
        V::MalformedPath => V::MalformedPath,
        V::UnexpectedAuthority => V::UnexpectedAuthority,
        V::MalformedAuthority => V::MalformedAuthority,
        V::SetupTokenAlias => V::SetupTokenAlias,
        V::TokenFormat { message } => V::TokenFormat { .. },
        V::DuplicateTokenAlias { alias: 1 } => V::DuplicateTokenAlias { .. },
        V::UnknownTokenAlias { alias: 1 } => V::UnknownTokenAlias { .. },
        V::TokenCacheOverflow { bytes: 20, max: 16 } => V::TokenCacheOverflow { .. },
        V::RequestIdParity { id: 1 } => V::RequestIdParity { .. },
        V::RequestIdOrder { id: 4, expected: 2 } => V::RequestIdOrder { .. },
        V::RequestIdRepeated { id: 2 } => V::RequestIdRepeated { .. },
        V::TooManyRequests { id: 100, limit: 100 } => V::TooManyRequests { .. },
        V::RequestLimitNotRaised { limit: 5, before: 5 } => V::RequestLimitNotRaised { .. },
        V::UnsuitableRequest { message: M::RequestUpdate, id: 2 } => V::UnsuitableRequest { .. },
        V::UnexpectedResponse { message: M::RequestOk, id: 2 } => V::UnexpectedResponse { .. },
        V::UpdateWidens { id: 2 } => V::UpdateWidens { .. },
        V::TooManyUpdates { id: 2, count: 5, max: 4 } => V::TooManyUpdates { .. },
        V::NamespaceDoneFirst { id: 2 } => V::NamespaceDoneFirst { .. },
        V::RequiredRequestId { id: 4, delta: 3 } => V::RequiredRequestId { .. },
        V::Joining { id: 2 } => V::Joining { .. },
        V::FetchEndBeforeStart { id: 2 } => V::FetchEndBeforeStart { .. },
        V::DuplicateTrackAlias { alias: 5 } => V::DuplicateTrackAlias { .. },
        V::Redirect { field: Field::RedirectUri } => V::Redirect { .. },
        V::SecondGoaway => V::SecondGoaway,
        V::GoawayUri => V::GoawayUri,
        V::GoawayRequestId { id: 1 } => V::GoawayRequestId { .. },
        V::ControlStreamClosed => V::ControlStreamClosed,
        V::SecondControlStream => V::SecondControlStream,
        V::UnexpectedStream => V::UnexpectedStream,
        V::MessageCut { id: 2 } => V::MessageCut { .. },
        V::ControlMessageTimeout => V::ControlMessageTimeout,
        V::DataStreamTimeout => V::DataStreamTimeout,
        V::Data(D::CutByFin) => V::Data(_),
        V::Named(N::NoCommonVersion) => V::Named(_),
    };
    violations.truncate(violations.len() - 2);
    violations.extend(data_violations().into_iter().map(V::Data));
    violations
}

#[test]
fn the_cost_of_every_violation_by_name_is_the_printed_one() {
    let named = Draft::SERVED[Draft::SERVED.len() - 1].dialect();
    let mut text =
        String::from("What a peer that speaks draft 01 can do wrong, and what it costs.\n");
    for violation in named_violations() {
        let (reach, section) = (violation.reach(), violation.section());
        let place = violation.place();
        let message = place.message.map_or("any message".to_owned(), |m| m.to_string());
        let field = place.field.map_or("whole".to_owned(), |field| field.to_string());
        writeln!(text, "\n{violation}\n  {message}: {field}\n  {reach:?}, {section}").unwrap();
        if reach == Reach::Session {
            let number = named.session_code(violation.session_code());
            writeln!(text, "  closed with {number:#x}").unwrap();
        }
    }
    compare("named_violations.txt", &text);
}

#[test]
fn the_cost_of_every_violation_is_the_printed_one() {
    let mut text = String::from("What a peer can do wrong, as an example, and what it costs.\n");
    for violation in violations() {
        let reach = violation.reach();
        writeln!(text, "\n{violation}").unwrap();
        let place = violation.place();
        let message = place.message.map_or("any message".to_owned(), |m| m.to_string());
        let field = place.field.map_or("whole".to_owned(), |field| field.to_string());
        writeln!(text, "  {message}: {field}").unwrap();
        write!(text, "  {reach:?}, {}, ", violation.section()).unwrap();
        match reach {
            Reach::Request => writeln!(text, "{:?}", violation.request_code()).unwrap(),
            Reach::Stream | Reach::Track | Reach::Session => {
                let code = violation.session_code();
                let numbers = Draft::ALL.map(|draft| draft.dialect().session_code(code));
                let differ = numbers.iter().any(|number| *number != numbers[0]);
                match differ {
                    false => writeln!(text, "{code:?} {:#x}", numbers[0]).unwrap(),
                    true => {
                        let of = |(draft, number)| format!("{number:#x} in {draft}");
                        let each: Vec<_> = Draft::ALL.into_iter().zip(numbers).map(of).collect();
                        writeln!(text, "{code:?} {}", each.join(", ")).unwrap();
                    }
                }
            }
        }
    }
    compare("violations.txt", &text);
}
