//! Draft 20. Ends are inclusive everywhere, a fetch is a name and a filter, and joining becomes a
//! fill. The text is not public yet: the bytes are those that two implementations agree on.

use super::codes::{self, Codes, RequestCodes};
use super::data::{DataPlane, FetchLayout, IdForm, MarkLayout, MarkReading};
use super::dialect::{Dialect, Draft, JoiningFetch};
use super::draft17;
use super::draft18;
use super::draft19::{self, range_filter};
use super::frame::MessageRow;
use super::frame::Streams::Within;
use super::layout::fetch::FetchRequestLayout;
use super::layout::filter::FilterLayout;
use super::layout::parameter::Carrier::*;
use super::layout::parameter::{Carrier, Form, Parameter, Row, changed, changed_rows};
use super::layout::range_filter::RangeFilterType;
use super::message::MessageKind;
use crate::model::RequestCode;

pub(super) const DIALECT: Dialect = Dialect {
    draft: Draft::D20,
    token: "moqt-20",

    publish_ok_settings: false,
    joining_fetch: JoiningFetch::None,
    fill: true,
    rich_filters: true,
    filter_end_ends_subscription: false,
    state_notify: true,

    data: DataPlane {
        fetch: FetchLayout {
            marks: Some(MarkLayout {
                timed_out: true,
                reading: MarkReading { ids: IdForm::Delta, length: false },
            }),
            ..draft19::DIALECT.data.fetch
        },
        ..draft19::DIALECT.data
    },

    messages: &[draft18::MESSAGES, STATE_NOTIFY],
    parameters: PARAMETERS,
    filter: FilterLayout::CountedFields,
    fetch: FetchRequestLayout::FilterInclusiveEnd,
    stream_count_unknown: u64::MAX,
    session_codes: &[codes::SESSION, draft19::UPDATES],
    request_codes: RequestCodes::Shared(REQUEST_CODES),
    done_codes: &[codes::DONE, draft18::DONE_CODES],
    ..draft19::DIALECT
};

const STATE_NOTIFY: &[MessageRow] =
    &[MessageRow::new(0x22, MessageKind::PublishStateNotify, Within)];

pub(super) const PARAMETERS: &[Row] =
    &changed::<{ changed_rows(draft19::PARAMETERS, CHANGES) }>(draft19::PARAMETERS, CHANGES);

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
    range_filter(0x25, RangeFilterType::Subgroup, FILTERED),
    range_filter(0x26, RangeFilterType::Object, FILTERED),
    range_filter(0x27, RangeFilterType::Priority, FILTERED),
    range_filter(0x28, RangeFilterType::ObjectProperty, FILTERED),
    Row::new(0x32, Parameter::NewGroup, Form::Int, &[Subscribe, Update]),
    Row::new(
        0x35,
        Parameter::IncludeProperties,
        Form::Byte,
        &[Subscribe, Fetch, TrackStatus, SubscribeTracks],
    ),
];

const FILTERED: &[Carrier] = &[Subscribe, Fetch, SubscribeTracks, Update, Fill];

const REQUEST_CODES: Codes<RequestCode> = &[
    codes::REFUSED,
    codes::SHARED,
    draft17::REQUEST_CODES,
    draft18::REQUEST_CODES,
    draft19::REQUEST_CODES,
];
