//! Draft 19. Range filters, several subscriptions of a track, a limit on unanswered updates, and
//! FIN of a requester that says no more than that.

use super::codes::{self, CodePart, RequestCodes};
use super::dialect::{Dialect, Draft, FinMeaning};
use super::draft17;
use super::draft18;
use super::layout::goaway::GoawayLayout;
use super::layout::parameter::Carrier::*;
use super::layout::parameter::{Carrier, Form, Parameter, Row, changed, changed_rows};
use super::layout::range_filter::RangeFilterType;
use super::layout::setup::SetupOption;
use crate::model::{RequestCode, SessionCode};

pub(super) const DIALECT: Dialect = Dialect {
    draft: Draft::D19,
    token: "moqt-19",

    range_filters: true,
    several_subscriptions: true,
    fin: FinMeaning::NoMoreUpdates,

    messages: &[draft18::MESSAGES],
    parameters: PARAMETERS,
    setup_options: SETUP_OPTIONS,
    goaway: GoawayLayout::UriTimeout,
    session_codes: &[codes::SESSION, &[(SessionCode::VersionNegotiationFailed, 0x15)], UPDATES],
    request_codes: RequestCodes::Shared(&[
        codes::REFUSED,
        codes::SHARED,
        draft17::REQUEST_CODES,
        draft18::REQUEST_CODES,
        REQUEST_CODES,
        &[(RequestCode::InvalidJoiningRequestId, 0x32)],
    ]),
    ..draft18::DIALECT
};

pub(super) const PARAMETERS: &[Row] =
    &changed::<{ changed_rows(draft18::PARAMETERS, CHANGES) }>(draft18::PARAMETERS, CHANGES);

/// Its sentence that SUBSCRIBE_TRACKS takes whatever a subscription does is not in its parameters'
/// own lists.
const CHANGES: &[Row] = &[
    Row::new(0x02, Parameter::ObjectTimeout, Form::Int, &[Subscribe, PublishOk, Update])
        .also_read_on(&[SubscribeTracks]),
    Row::new(0x04, Parameter::RendezvousTimeout, Form::Int, &[Subscribe])
        .also_read_on(&[SubscribeTracks]),
    Row::new(0x06, Parameter::SubgroupTimeout, Form::Int, &[Subscribe, PublishOk, Update])
        .also_read_on(&[SubscribeTracks]),
    Row::new(
        0x08,
        Parameter::Expires,
        Form::Int,
        &[SubscribeOk, Publish, PublishOk, PublishNamespaceOk, InterestOk, UpdateOk],
    ),
    Row::new(
        0x20,
        Parameter::SubscriberPriority,
        Form::Byte,
        &[Subscribe, PublishOk, Fetch, Update],
    )
    .also_read_on(&[SubscribeTracks]),
    Row::new(0x21, Parameter::LocationFilter, Form::Prefixed, &[Subscribe, PublishOk, Update])
        .also_read_on(&[SubscribeTracks]),
    // The PUBLISH that follows repeats it, says the text, and its list does not.
    Row::new(0x22, Parameter::GroupOrder, Form::Byte, &[Subscribe, Fetch, SubscribeTracks])
        .also_read_on(&[Publish]),
    range_filter(0x25, RangeFilterType::Subgroup, FILTERED),
    range_filter(0x26, RangeFilterType::Object, FILTERED),
    range_filter(0x27, RangeFilterType::Priority, FILTERED),
    range_filter(0x28, RangeFilterType::ObjectProperty, FILTERED),
    range_filter(0x29, RangeFilterType::TrackProperty, &[SubscribeTracks, UpdateInterest]),
];

const FILTERED: &[Carrier] = &[Subscribe, PublishOk, Fetch, SubscribeTracks, Update];

pub(super) const fn range_filter(code: u64, kind: RangeFilterType, on: &'static [Carrier]) -> Row {
    Row::new(code, Parameter::RangeFilter(kind), Form::Prefixed, on)
}

pub(super) const SETUP_OPTIONS: &[(u64, SetupOption)] = &[
    (0x01, SetupOption::Path),
    (0x03, SetupOption::Token),
    (0x04, SetupOption::TokenCacheBytes),
    (0x05, SetupOption::Authority),
    (0x06, SetupOption::FilterRanges),
    (0x07, SetupOption::Implementation),
    (0x08, SetupOption::RequestUpdates),
];

pub(super) const UPDATES: CodePart<SessionCode> = &[(SessionCode::TooManyRequestUpdates, 0x1B)];

pub(super) const REQUEST_CODES: CodePart<RequestCode> =
    &[(RequestCode::ConflictingFilters, 0x35), (RequestCode::InvalidFilter, 0x36)];
