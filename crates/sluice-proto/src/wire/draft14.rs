//! Draft 14. One control stream, versions in band, settings as fields of messages, and an OK and
//! an error of its own for each kind of request.

use super::codes::{self, CodePart, RequestCodes};
use super::data::{DataPlane, FetchForm, FetchLayout, IdForm, StatusWithoutId};
use super::dialect::{
    Dialect, Draft, Family, FinMeaning, InterestForm, JoiningFetch, RequestTransport,
    SetupExchange, Widening,
};
use super::frame::MessageRow;
use super::frame::Streams::Control;
use super::layout::fetch::FetchRequestLayout;
use super::layout::filter::FilterLayout;
use super::layout::fixed::Fixed;
use super::layout::goaway::GoawayLayout;
use super::layout::name::NameRules;
use super::layout::namespace::NamespaceRefForm;
use super::layout::parameter::Carrier::*;
use super::layout::parameter::{Carrier, Form, Parameter, ParameterForm, Row};
use super::layout::response::{ErrorLayout, ResponseForm};
use super::layout::setup::SetupOption;
use super::layout::track_properties::TrackPropertyForm;
use super::message::MessageKind;
use super::varint::Integers;
use crate::model::{DoneCode, PropertyEncoding, SessionCode};

pub(super) const DIALECT: Dialect = Dialect {
    draft: Draft::D14,
    token: "moq-00",
    version: Some(0xff00_000e),
    family: Family::Requests,
    object_streams: false,
    integers: Integers::Quic,
    properties: PropertyEncoding::Absolute,

    setup: SetupExchange::VersionsInBand,
    requests: RequestTransport::ControlStream,
    required_requests: false,
    namespaces_on_own_stream: false,
    interests: InterestForm::Combined,
    echo_own_tracks: true,
    publish_blocked: false,
    widening: Widening::Forbidden,
    updates_answered: false,
    updates_any_request: false,
    publish_ok_settings: true,
    joining_fetch: JoiningFetch::OfNextObject,
    fill: false,
    rich_filters: false,
    range_filters: false,
    several_subscriptions: false,
    filter_end_ends_subscription: true,
    state_notify: false,
    redirect: false,
    track_properties: false,
    goaway_request: false,
    fin: FinMeaning::CancelsNamespaces,

    data: DataPlane {
        control_stream: None,
        padding: false,
        inherited_priority: false,
        first_object: false,
        absence_status: true,
        end_properties: true,
        status_without_id: StatusWithoutId::Refused,
        fetch: FetchLayout {
            form: FetchForm::AllFields,
            ids: IdForm::Absolute,
            status: true,
            marks: None,
        },
    },

    messages: &[MESSAGES],
    parameter_form: ParameterForm::AbsolutePairs,
    parameters: PARAMETERS,
    fixed: FIXED,
    setup_options: SETUP_OPTIONS,
    names: NameRules { empty_namespace: false, empty_prefix: false, empty_field: true },
    filter: FilterLayout::TypedAbsoluteEnd,
    fetch: FetchRequestLayout::TypedExclusiveEnd,
    goaway: GoawayLayout::Uri,
    responses: ResponseForm::PerRequest,
    errors: ErrorLayout::Plain,
    track_property_form: TrackPropertyForm::Settings,
    track_properties_unknown: &[],
    publish_namespace_ref: NamespaceRefForm::Name,
    unsubscribe_namespace_ref: NamespaceRefForm::Name,
    stream_count_unknown: (1 << 62) - 1,
    session_codes: &[codes::SESSION, IN_BAND],
    request_codes: RequestCodes::PerRequest,
    done_codes: &[codes::DONE, DONE_CODES, &[(DoneCode::MalformedTrack, 0x7)]],
    reset_codes: &[codes::RESET],
};

const MESSAGES: &[MessageRow] = &[
    MessageRow::new(0x02, MessageKind::RequestUpdate, Control),
    MessageRow::new(0x03, MessageKind::Subscribe, Control),
    MessageRow::new(0x04, MessageKind::SubscribeOk, Control),
    MessageRow::new(0x05, MessageKind::SubscribeError, Control),
    MessageRow::new(0x06, MessageKind::PublishNamespace, Control),
    MessageRow::new(0x07, MessageKind::PublishNamespaceOk, Control),
    MessageRow::new(0x08, MessageKind::PublishNamespaceError, Control),
    MessageRow::new(0x09, MessageKind::PublishNamespaceDone, Control),
    MessageRow::new(0x0A, MessageKind::Unsubscribe, Control),
    MessageRow::new(0x0B, MessageKind::PublishDone, Control),
    MessageRow::new(0x0C, MessageKind::PublishNamespaceCancel, Control),
    MessageRow::new(0x0D, MessageKind::TrackStatus, Control),
    MessageRow::new(0x0E, MessageKind::TrackStatusOk, Control),
    MessageRow::new(0x0F, MessageKind::TrackStatusError, Control),
    MessageRow::new(0x10, MessageKind::Goaway, Control),
    MessageRow::new(0x11, MessageKind::SubscribeNamespace, Control),
    MessageRow::new(0x12, MessageKind::SubscribeNamespaceOk, Control),
    MessageRow::new(0x13, MessageKind::SubscribeNamespaceError, Control),
    MessageRow::new(0x14, MessageKind::UnsubscribeNamespace, Control),
    MessageRow::new(0x15, MessageKind::MaxRequestId, Control),
    MessageRow::new(0x16, MessageKind::Fetch, Control),
    MessageRow::new(0x17, MessageKind::FetchCancel, Control),
    MessageRow::new(0x18, MessageKind::FetchOk, Control),
    MessageRow::new(0x19, MessageKind::FetchError, Control),
    MessageRow::new(0x1A, MessageKind::RequestsBlocked, Control),
    MessageRow::new(0x1D, MessageKind::Publish, Control),
    MessageRow::new(0x1E, MessageKind::PublishOk, Control),
    MessageRow::new(0x1F, MessageKind::PublishError, Control),
    MessageRow::new(0x20, MessageKind::ClientSetup, Control),
    MessageRow::new(0x21, MessageKind::ServerSetup, Control),
];

pub(super) const PARAMETERS: &[Row] = &[
    // Of a subscriber in what subscribes, of a publisher in what offers or answers.
    Row::new(
        0x02,
        Parameter::ObjectTimeout,
        Form::Int,
        &[Subscribe, SubscribeOk, Publish, PublishOk, TrackStatus, TrackStatusOk, Update],
    ),
    Row::new(
        0x03,
        Parameter::Token,
        Form::Prefixed,
        &[Subscribe, Publish, Fetch, TrackStatus, PublishNamespace, SubscribeNamespace, Update],
    ),
    Row::new(
        0x04,
        Parameter::MaxCacheDuration,
        Form::Int,
        &[SubscribeOk, Publish, FetchOk, TrackStatusOk],
    ),
];

const SUBSCRIBE: &[Fixed] =
    &[Fixed::SubscriberPriority, Fixed::GroupOrderOrDefault, Fixed::Forward, Fixed::Filter];
const SUBSCRIBE_OK: &[Fixed] = &[Fixed::Expires, Fixed::GroupOrder, Fixed::Largest];

const FIXED: &[(Carrier, &[Fixed])] = &[
    (Subscribe, SUBSCRIBE),
    (SubscribeOk, SUBSCRIBE_OK),
    (TrackStatus, SUBSCRIBE),
    (TrackStatusOk, SUBSCRIBE_OK),
    (Publish, &[Fixed::GroupOrder, Fixed::Largest, Fixed::Forward]),
    (PublishOk, &[Fixed::Forward, Fixed::SubscriberPriority, Fixed::GroupOrder, Fixed::Filter]),
    (Fetch, &[Fixed::SubscriberPriority, Fixed::GroupOrderOrDefault]),
    (FetchOk, &[Fixed::GroupOrder]),
    (Update, &[Fixed::Narrowing, Fixed::SubscriberPriority, Fixed::Forward]),
];

const SETUP_OPTIONS: &[(u64, SetupOption)] = &[
    (0x01, SetupOption::Path),
    (0x02, SetupOption::RequestIdLimit),
    (0x03, SetupOption::Token),
    (0x04, SetupOption::TokenCacheBytes),
    // The text gives this type to both.
    (0x05, SetupOption::AuthorityOrImplementation),
    // The number of later drafts: unknown here, hence ignored by who does not know it.
    (0x07, SetupOption::Implementation),
];

const IN_BAND: CodePart<SessionCode> =
    &[(SessionCode::TooManyRequests, 0x7), (SessionCode::VersionNegotiationFailed, 0x15)];

pub(super) const DONE_CODES: CodePart<DoneCode> =
    &[(DoneCode::SubscriptionEnded, 0x3), (DoneCode::Expired, 0x5), (DoneCode::TooFarBehind, 0x6)];
