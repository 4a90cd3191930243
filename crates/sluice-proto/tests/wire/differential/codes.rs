//! The numbers of all codes against the other implementation's.

use std::collections::BTreeSet;
use std::fmt::Debug;

use moqtap_codec::{
    draft14, draft15, draft16, draft17, draft18, draft19, draft20, draft21, draft22,
};
use sluice_proto::model::RequestKind;
use sluice_proto::wire::Draft;

/// Numbers in which every defined code lies.
const NUMBERS: std::ops::Range<u64> = 0..0x80;

/// The other implementation's names where they are not ours with "Error" behind.
const RENAMED: &[(&str, &str)] = &[
    ("TrackDoesNotExist", "DoesNotExist"),
    ("NamespacePrefixUnknown", "DoesNotExist"),
    ("NamespacePrefixOverlap", "PrefixOverlap"),
    ("NoError", "NoError"),
];

fn ours(theirs: &str) -> &str {
    let renamed = RENAMED.iter().find(|(name, _)| *name == theirs).map(|&(_, ours)| ours);
    renamed.unwrap_or(theirs.strip_suffix("Error").unwrap_or(theirs))
}

fn compare<T: Debug>(
    what: &str,
    theirs: impl IntoIterator<Item = (u64, String)>,
    of_number: impl Fn(u64) -> Option<T>,
) {
    let theirs: BTreeSet<(u64, String)> =
        theirs.into_iter().map(|(number, name)| (number, ours(&name).to_owned())).collect();
    let named = |number| of_number(number).map(|name| (number, format!("{name:?}")));
    // Whatever has no name reads as Internal, so only that of the number 0 or 1 counts.
    let ours: BTreeSet<(u64, String)> = NUMBERS
        .filter_map(named)
        .filter(|(number, name)| *number < 2 || name != "Internal")
        .collect();
    assert_eq!(ours, theirs, "{what}");
}

macro_rules! pairs {
    ($type:ty) => {
        <$type>::ALL.iter().map(|code| (code.as_u64(), format!("{code:?}")))
    };
}

macro_rules! shared {
    ($draft:expr, $module:ident, $reset:ident) => {{
        use $module::error_codes as codes;
        let dialect = $draft.dialect();
        let draft = $draft;
        compare(&format!("draft {draft}, sessions"), pairs!(codes::SessionErrorCode), |number| {
            dialect.session_code_of(number)
        });
        compare(&format!("draft {draft}, requests"), pairs!(codes::RequestErrorCode), |number| {
            Some(dialect.request_code_of(number, RequestKind::Fetch))
                .filter(|code| number < 1 || format!("{code:?}") != "Internal")
        });
        compare(&format!("draft {draft}, ends"), pairs!(codes::PublishDoneStatusCode), |number| {
            Some(dialect.done_code_of(number))
                .filter(|code| number < 1 || format!("{code:?}") != "Internal")
        });
        compare(&format!("draft {draft}, resets"), pairs!(codes::$reset), |number| {
            Some(dialect.reset_code_of(number))
                .filter(|code| number < 1 || format!("{code:?}") != "Internal")
        });
    }};
}

#[test]
fn another_implementation_has_the_same_numbers_of_codes() {
    shared!(Draft::D15, draft15, DataStreamResetErrorCode);
    shared!(Draft::D16, draft16, DataStreamResetErrorCode);
    shared!(Draft::D17, draft17, DataStreamResetErrorCode);
    shared!(Draft::D18, draft18, StreamResetErrorCode);
    shared!(Draft::D19, draft19, StreamResetErrorCode);
    shared!(Draft::D20, draft20, StreamResetErrorCode);
    shared!(Draft::D21, draft21, StreamResetErrorCode);
    shared!(Draft::D22, draft22, StreamResetErrorCode);
}

#[test]
fn another_implementation_has_the_same_numbers_of_codes_per_request_in_draft_14() {
    use draft14::error_codes as codes;
    let dialect = Draft::D14.dialect();
    let of = |kind| {
        move |number| {
            Some(dialect.request_code_of(number, kind))
                .filter(|code| number < 1 || format!("{code:?}") != "Internal")
        }
    };
    compare("subscribe", pairs!(codes::SubscribeErrorCode), of(RequestKind::Subscribe));
    compare("status", pairs!(codes::SubscribeErrorCode), of(RequestKind::TrackStatus));
    compare("publish", pairs!(codes::PublishErrorCode), of(RequestKind::Publish));
    compare("fetch", pairs!(codes::FetchErrorCode), of(RequestKind::Fetch));
    compare("announce", pairs!(codes::AnnounceErrorCode), of(RequestKind::PublishNamespace));
    compare(
        "interest",
        pairs!(codes::SubscribeNamespaceErrorCode),
        of(RequestKind::SubscribeNamespace),
    );
    compare("sessions", pairs!(codes::SessionErrorCode), |number| dialect.session_code_of(number));
    compare("ends", pairs!(codes::PublishDoneStatusCode), |number| {
        Some(dialect.done_code_of(number))
            .filter(|code| number < 1 || format!("{code:?}") != "Internal")
    });
    compare("resets", pairs!(codes::DataStreamResetErrorCode), |number| {
        Some(dialect.reset_code_of(number))
            .filter(|code| number < 1 || format!("{code:?}") != "Internal")
    });
}
