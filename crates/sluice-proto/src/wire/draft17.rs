//! Draft 17. Control streams of both sides, a stream for each request whose answers need no id,
//! integers and parameters of MOQT's own form, and a request may name one that it needs.

use super::codes::{self, CodePart, RequestCodes};
use super::data::DataPlane;
use super::dialect::{Dialect, Draft, JoiningFetch, RequestTransport, SetupExchange};
use super::draft14;
use super::draft16;
use super::frame::MessageRow;
use super::frame::Streams::{Control, Opens, Within};
use super::layout::filter::FilterLayout;
use super::layout::goaway::GoawayLayout;
use super::layout::name::NameRules;
use super::layout::parameter::Carrier::*;
use super::layout::parameter::{Form, Parameter, ParameterForm, Row};
use super::layout::setup::SetupOption;
use super::layout::track_properties::TrackPropertyForm;
use super::message::MessageKind;
use super::varint::Integers;
use crate::model::{DoneCode, PropertyEncoding, RequestCode, ResetCode, SessionCode};

pub(super) const DIALECT: Dialect = Dialect {
    draft: Draft::D17,
    token: "moqt-17",
    integers: Integers::MoqWithoutSeven,
    properties: PropertyEncoding::DeltaVi64Short,

    setup: SetupExchange::Both,
    requests: RequestTransport::OwnStream,
    required_requests: true,
    publish_blocked: true,
    joining_fetch: JoiningFetch::OfForwardingOnly,

    data: DataPlane { control_stream: Some(0x2F00), ..draft16::DIALECT.data },

    messages: &[MESSAGES],
    parameter_form: ParameterForm::Typed,
    parameters: PARAMETERS,
    setup_options: SETUP_OPTIONS,
    names: NameRules { empty_namespace: true, empty_prefix: true, empty_field: false },
    filter: FilterLayout::TypedDeltaEnd,
    goaway: GoawayLayout::UriTimeout,
    track_property_form: TrackPropertyForm::Tail,
    session_codes: &[codes::SESSION, SESSION_CODES],
    request_codes: RequestCodes::Shared(&[
        codes::REFUSED,
        codes::SHARED,
        draft16::REQUEST_CODES,
        REQUEST_CODES,
    ]),
    done_codes: &[codes::DONE, draft14::DONE_CODES, draft16::DONE_CODES, DONE_CODES],
    reset_codes: &[codes::RESET, RESET_CODES],
    ..draft16::DIALECT
};

const MESSAGES: &[MessageRow] = &[
    MessageRow::new(0x02, MessageKind::RequestUpdate, Within),
    MessageRow::new(0x03, MessageKind::Subscribe, Opens),
    MessageRow::new(0x04, MessageKind::SubscribeOk, Within),
    MessageRow::new(0x05, MessageKind::RequestError, Within),
    MessageRow::new(0x06, MessageKind::PublishNamespace, Opens),
    MessageRow::new(0x07, MessageKind::RequestOk, Within),
    MessageRow::new(0x08, MessageKind::Namespace, Within),
    MessageRow::new(0x0B, MessageKind::PublishDone, Within),
    MessageRow::new(0x0D, MessageKind::TrackStatus, Opens),
    MessageRow::new(0x0E, MessageKind::NamespaceDone, Within),
    MessageRow::new(0x0F, MessageKind::PublishBlocked, Within),
    MessageRow::new(0x10, MessageKind::Goaway, Control),
    MessageRow::new(0x11, MessageKind::SubscribeNamespace, Opens),
    MessageRow::new(0x16, MessageKind::Fetch, Opens),
    MessageRow::new(0x18, MessageKind::FetchOk, Within),
    MessageRow::new(0x1D, MessageKind::Publish, Opens),
    MessageRow::new(0x1E, MessageKind::PublishOk, Within),
    MessageRow::new(0x2F00, MessageKind::Setup, Control),
];

const PARAMETERS: &[Row] = &[
    Row::new(0x02, Parameter::ObjectTimeout, Form::Int, &[Subscribe, PublishOk, Update]),
    Row::new(
        0x03,
        Parameter::Token,
        Form::Prefixed,
        &[Subscribe, Publish, Fetch, TrackStatus, PublishNamespace, SubscribeNamespace, Update],
    ),
    Row::new(0x04, Parameter::RendezvousTimeout, Form::Int, &[Subscribe]),
    Row::new(
        0x08,
        Parameter::Expires,
        Form::Int,
        &[SubscribeOk, Publish, PublishOk, TrackStatusOk, PublishNamespaceOk, InterestOk, UpdateOk],
    ),
    Row::new(
        0x09,
        Parameter::Largest,
        Form::Bare,
        &[SubscribeOk, Publish, TrackStatusOk, UpdateOk],
    ),
    Row::new(
        0x10,
        Parameter::Forward,
        Form::Byte,
        &[Subscribe, Publish, PublishOk, SubscribeNamespace, Update],
    ),
    Row::new(
        0x20,
        Parameter::SubscriberPriority,
        Form::Byte,
        &[Subscribe, PublishOk, Fetch, Update],
    ),
    Row::new(0x21, Parameter::LocationFilter, Form::Prefixed, &[Subscribe, PublishOk, Update]),
    Row::new(0x22, Parameter::GroupOrder, Form::Byte, &[Subscribe, PublishOk, Fetch]),
    Row::new(0x32, Parameter::NewGroup, Form::Int, &[Subscribe, PublishOk, Update]),
];

pub(super) const SETUP_OPTIONS: &[(u64, SetupOption)] = &[
    (0x01, SetupOption::Path),
    (0x03, SetupOption::Token),
    (0x04, SetupOption::TokenCacheBytes),
    (0x05, SetupOption::Authority),
    (0x07, SetupOption::Implementation),
];

const SESSION_CODES: CodePart<SessionCode> =
    &[(SessionCode::InvalidRequiredRequestId, 0x7), (SessionCode::VersionNegotiationFailed, 0x15)];

pub(super) const REQUEST_CODES: CodePart<RequestCode> = &[
    (RequestCode::GoingAway, 0x6),
    (RequestCode::ExcessiveLoad, 0x9),
    (RequestCode::NamespaceTooLarge, 0x31),
];

const DONE_CODES: CodePart<DoneCode> = &[(DoneCode::ExcessiveLoad, 0x9)];

const RESET_CODES: CodePart<ResetCode> = &[
    (ResetCode::UnknownObjectStatus, 0x4),
    (ResetCode::TooFarBehind, 0x5),
    (ResetCode::ExcessiveLoad, 0x9),
    (ResetCode::MalformedTrack, 0x12),
];
