//! Draft 16. Key-value types are deltas, settings are parameters, tracks have properties, answers
//! are shared, and a namespace subscription has its own stream.

use super::codes::{self, CodePart, RequestCodes};
use super::data::{
    DataPlane, FetchForm, FetchLayout, IdForm, MarkLayout, MarkReading, StatusWithoutId,
};
use super::dialect::{Dialect, Draft, InterestForm, SetupExchange, Widening};
use super::draft14;
use super::frame::MessageRow;
use super::frame::Streams::{Control, ControlOrWithin, Opens, Within};
use super::layout::name::NameRules;
use super::layout::namespace::NamespaceRefForm;
use super::layout::parameter::Carrier::*;
use super::layout::parameter::{Form, Parameter, ParameterForm, Row};
use super::layout::response::{ErrorLayout, ResponseForm};
use super::layout::setup::SetupOption;
use super::layout::track_properties::TrackPropertyForm;
use super::message::MessageKind;
use crate::model::property::kind::SUBGROUP_DELIVERY_TIMEOUT;
use crate::model::{DoneCode, PropertyEncoding, RequestCode, ResetCode};

pub(super) const DIALECT: Dialect = Dialect {
    draft: Draft::D16,
    token: "moqt-16",
    version: None,
    properties: PropertyEncoding::Delta,

    setup: SetupExchange::ClientFirst,
    namespaces_on_own_stream: true,
    interests: InterestForm::Options,
    widening: Widening::Free,
    updates_answered: true,
    updates_any_request: true,
    track_properties: true,

    data: DataPlane {
        inherited_priority: true,
        absence_status: false,
        end_properties: false,
        status_without_id: StatusWithoutId::Used,
        fetch: FetchLayout {
            form: FetchForm::FlagInteger,
            status: false,
            marks: Some(MarkLayout {
                timed_out: false,
                reading: MarkReading { ids: IdForm::Absolute, length: false },
            }),
            ..draft14::DIALECT.data.fetch
        },
        ..draft14::DIALECT.data
    },

    messages: &[MESSAGES],
    parameter_form: ParameterForm::DeltaPairs,
    parameters: PARAMETERS,
    fixed: &[],
    setup_options: SETUP_OPTIONS,
    names: NameRules { empty_namespace: false, empty_prefix: true, empty_field: false },
    responses: ResponseForm::Shared,
    errors: ErrorLayout::Retry,
    track_property_form: TrackPropertyForm::TailNonzeroTimeout,
    track_properties_unknown: &[SUBGROUP_DELIVERY_TIMEOUT],
    publish_namespace_ref: NamespaceRefForm::Request,
    unsubscribe_namespace_ref: NamespaceRefForm::Request,
    request_codes: RequestCodes::Shared(&[codes::REFUSED, codes::SHARED, REQUEST_CODES]),
    done_codes: &[codes::DONE, draft14::DONE_CODES, DONE_CODES],
    reset_codes: &[codes::RESET, RESET_CODES],
    ..draft14::DIALECT
};

const MESSAGES: &[MessageRow] = &[
    MessageRow::new(0x02, MessageKind::RequestUpdate, ControlOrWithin),
    MessageRow::new(0x03, MessageKind::Subscribe, Control),
    MessageRow::new(0x04, MessageKind::SubscribeOk, Control),
    MessageRow::new(0x05, MessageKind::RequestError, ControlOrWithin),
    MessageRow::new(0x06, MessageKind::PublishNamespace, Control),
    MessageRow::new(0x07, MessageKind::RequestOk, ControlOrWithin),
    MessageRow::new(0x08, MessageKind::Namespace, Within),
    MessageRow::new(0x09, MessageKind::PublishNamespaceDone, Control),
    MessageRow::new(0x0A, MessageKind::Unsubscribe, Control),
    MessageRow::new(0x0B, MessageKind::PublishDone, Control),
    MessageRow::new(0x0C, MessageKind::PublishNamespaceCancel, Control),
    MessageRow::new(0x0D, MessageKind::TrackStatus, Control),
    MessageRow::new(0x0E, MessageKind::NamespaceDone, Within),
    MessageRow::new(0x10, MessageKind::Goaway, Control),
    MessageRow::new(0x11, MessageKind::SubscribeNamespace, Opens),
    MessageRow::new(0x15, MessageKind::MaxRequestId, Control),
    MessageRow::new(0x16, MessageKind::Fetch, Control),
    MessageRow::new(0x17, MessageKind::FetchCancel, Control),
    MessageRow::new(0x18, MessageKind::FetchOk, Control),
    MessageRow::new(0x1A, MessageKind::RequestsBlocked, Control),
    MessageRow::new(0x1D, MessageKind::Publish, Control),
    MessageRow::new(0x1E, MessageKind::PublishOk, Control),
    MessageRow::new(0x20, MessageKind::ClientSetup, Control),
    MessageRow::new(0x21, MessageKind::ServerSetup, Control),
];

const PARAMETERS: &[Row] = &[
    Row::new(0x02, Parameter::NonzeroObjectTimeout, Form::Int, &[Subscribe, PublishOk, Update]),
    Row::new(
        0x03,
        Parameter::Token,
        Form::Prefixed,
        &[Subscribe, Publish, Fetch, TrackStatus, PublishNamespace, SubscribeNamespace, Update],
    ),
    Row::new(0x08, Parameter::Expires, Form::Int, &[SubscribeOk, Publish, PublishOk]),
    Row::new(
        0x09,
        Parameter::Largest,
        Form::Prefixed,
        &[SubscribeOk, Publish, TrackStatusOk, UpdateOk],
    ),
    Row::new(
        0x10,
        Parameter::Forward,
        Form::Int,
        &[Subscribe, Publish, PublishOk, SubscribeNamespace, Update],
    ),
    Row::new(
        0x20,
        Parameter::SubscriberPriority,
        Form::Int,
        &[Subscribe, PublishOk, Fetch, Update],
    ),
    Row::new(0x21, Parameter::LocationFilter, Form::Prefixed, &[Subscribe, PublishOk, Update]),
    Row::new(0x22, Parameter::GroupOrder, Form::Int, &[Subscribe, PublishOk, Fetch]),
    Row::new(0x32, Parameter::NewGroup, Form::Int, &[Subscribe, PublishOk, Update]),
];

pub(super) const SETUP_OPTIONS: &[(u64, SetupOption)] = &[
    (0x01, SetupOption::Path),
    (0x02, SetupOption::RequestIdLimit),
    (0x03, SetupOption::Token),
    (0x04, SetupOption::TokenCacheBytes),
    (0x05, SetupOption::Authority),
    (0x07, SetupOption::Implementation),
];

pub(super) const REQUEST_CODES: CodePart<RequestCode> =
    &[(RequestCode::DuplicateSubscription, 0x19), (RequestCode::InvalidJoiningRequestId, 0x32)];

pub(super) const DONE_CODES: CodePart<DoneCode> =
    &[(DoneCode::UpdateFailed, 0x8), (DoneCode::MalformedTrack, 0x12)];

const RESET_CODES: CodePart<ResetCode> =
    &[(ResetCode::UnknownObjectStatus, 0x4), (ResetCode::MalformedTrack, 0x12)];
