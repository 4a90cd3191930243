//! Draft 20. Ends are inclusive everywhere, a fetch is a name and a filter, and joining becomes a
//! fill. The text is not public yet: the bytes are those that two implementations agree on.

use super::codes::{self, CodePart, RequestCodes};
use super::data::{DataPlane, FetchLayout, IdForm, MarkLayout, MarkReading};
use super::dialect::{Dialect, Draft, FinMeaning, JoiningFetch};
use super::draft18;
use super::frame::MessageRow;
use super::frame::Streams::Within;
use super::layout::fetch::FetchRequestLayout;
use super::layout::filter::FilterLayout;
use super::layout::goaway::GoawayLayout;
use super::layout::parameter::Carrier::*;
use super::layout::parameter::{Form, Parameter, Row, changed, changed_rows};
use super::layout::range_filter::RangeFilterType;
use super::layout::setup::SetupOption;
use super::message::MessageKind;
use crate::model::{RequestCode, SessionCode};

pub(super) const DIALECT: Dialect = Dialect {
    draft: Draft::D20,
    token: "moqt-20",

    publish_ok_settings: false,
    joining_fetch: JoiningFetch::None,
    fill: true,
    rich_filters: true,
    range_filters: true,
    several_subscriptions: true,
    filter_end_ends_subscription: false,
    state_notify: true,
    fin: FinMeaning::NoMoreUpdates,

    data: DataPlane {
        fetch: FetchLayout {
            marks: Some(MarkLayout {
                timed_out: true,
                reading: MarkReading { ids: IdForm::Delta, length: false },
            }),
            ..draft18::DIALECT.data.fetch
        },
        ..draft18::DIALECT.data
    },

    messages: &[draft18::MESSAGES, STATE_NOTIFY],
    parameters: PARAMETERS,
    setup_options: SETUP_OPTIONS,
    filter: FilterLayout::CountedFields,
    fetch: FetchRequestLayout::FilterInclusiveEnd,
    goaway: GoawayLayout::UriTimeout,
    stream_count_unknown: u64::MAX,
    session_codes: &[codes::SESSION, &[(SessionCode::TooManyRequestUpdates, 0x1B)]],
    request_codes: RequestCodes::Shared(&[codes::REFUSED, draft18::REQUEST_CODES, REQUEST_CODES]),
    done_codes: &[codes::DONE, draft18::DONE_CODES],
    ..draft18::DIALECT
};

const STATE_NOTIFY: &[MessageRow] =
    &[MessageRow::new(0x22, MessageKind::PublishStateNotify, Within)];

const PARAMETERS: &[Row] =
    &changed::<{ changed_rows(draft18::PARAMETERS, CHANGES) }>(draft18::PARAMETERS, CHANGES);

const CHANGES: &[Row] = &[
    Row::new(0x02, Parameter::ObjectTimeout, Form::Int, &[Subscribe, Publish, Update]),
    Row::new(0x06, Parameter::SubgroupTimeout, Form::Int, &[Subscribe, Publish, Update]),
    Row::new(
        0x08,
        Parameter::Expires,
        Form::Int,
        &[SubscribeOk, Publish, PublishOk, PublishNamespaceOk, InterestOk, UpdateOk],
    ),
    Row::new(
        0x09,
        Parameter::Largest,
        Form::Bare,
        &[SubscribeOk, Publish, TrackStatusOk, UpdateOk, StateNotify],
    ),
    Row::new(0x0A, Parameter::FillTimeout, Form::Int, &[Fetch, Fill]),
    Row::new(
        0x10,
        Parameter::Forward,
        Form::Byte,
        &[Subscribe, Publish, SubscribeTracks, Update, StateNotify],
    ),
    Row::new(
        0x20,
        Parameter::SubscriberPriority,
        Form::Byte,
        &[Subscribe, Publish, Fetch, Update, Fill],
    ),
    Row::new(
        0x21,
        Parameter::LocationFilter,
        Form::Prefixed,
        &[Subscribe, Publish, Fetch, Update, StateNotify, Fill],
    )
    .also_read_on(&[SubscribeTracks]),
    Row::new(
        0x22,
        Parameter::GroupOrder,
        Form::Byte,
        &[Subscribe, Publish, Fetch, SubscribeTracks, Fill],
    ),
    Row::new(0x23, Parameter::Fill, Form::Prefixed, &[Subscribe, UpdateSubscription])
        .also_read_on(&[SubscribeTracks]),
    range_filter(0x25, RangeFilterType::Subgroup),
    range_filter(0x26, RangeFilterType::Object),
    range_filter(0x27, RangeFilterType::Priority),
    range_filter(0x28, RangeFilterType::ObjectProperty),
    Row::new(
        0x29,
        Parameter::RangeFilter(RangeFilterType::TrackProperty),
        Form::Prefixed,
        &[SubscribeTracks, UpdateInterest],
    ),
    Row::new(0x32, Parameter::NewGroup, Form::Int, &[Subscribe, Update]),
    Row::new(
        0x35,
        Parameter::IncludeProperties,
        Form::Byte,
        &[Subscribe, Fetch, TrackStatus, SubscribeTracks],
    ),
];

const fn range_filter(code: u64, kind: RangeFilterType) -> Row {
    Row::new(
        code,
        Parameter::RangeFilter(kind),
        Form::Prefixed,
        &[Subscribe, Fetch, SubscribeTracks, Update, Fill],
    )
}

const SETUP_OPTIONS: &[(u64, SetupOption)] = &[
    (0x01, SetupOption::Path),
    (0x03, SetupOption::Token),
    (0x04, SetupOption::TokenCacheBytes),
    (0x05, SetupOption::Authority),
    (0x06, SetupOption::FilterRanges),
    (0x07, SetupOption::Implementation),
    (0x08, SetupOption::RequestUpdates),
];

const REQUEST_CODES: CodePart<RequestCode> = &[
    (RequestCode::MalformedAuthToken, 0x4),
    (RequestCode::ExpiredAuthToken, 0x5),
    (RequestCode::DoesNotExist, 0x10),
    (RequestCode::InvalidRange, 0x11),
    (RequestCode::MalformedTrack, 0x12),
    (RequestCode::Uninterested, 0x20),
    (RequestCode::PrefixOverlap, 0x30),
    (RequestCode::ConflictingFilters, 0x35),
    (RequestCode::InvalidFilter, 0x36),
];
