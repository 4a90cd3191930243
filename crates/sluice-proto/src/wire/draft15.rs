//! Draft 15. The draft is agreed by ALPN, answers are shared and numbered in one space, settings
//! are parameters, and heads may leave out their priority.

use super::codes::{self, CodePart, RequestCodes};
use super::data::{DataPlane, FetchForm, FetchLayout, StatusWithoutId};
use super::dialect::{Dialect, Draft, SetupExchange, Widening};
use super::draft14;
use super::draft16;
use super::frame::MessageRow;
use super::frame::Streams::Control;
use super::layout::namespace::NamespaceRefForm;
use super::layout::parameter::Carrier::*;
use super::layout::parameter::{Form, Parameter, Row, changed, changed_rows};
use super::layout::response::ResponseForm;
use super::message::MessageKind;
use crate::model::{DoneCode, RequestCode};

pub(super) const DIALECT: Dialect = Dialect {
    draft: Draft::D15,
    token: "moqt-15",
    version: None,

    setup: SetupExchange::ClientFirst,
    widening: Widening::OfEnd,
    updates_answered: true,

    data: DataPlane {
        inherited_priority: true,
        end_properties: false,
        status_without_id: StatusWithoutId::Read,
        fetch: FetchLayout { form: FetchForm::FlagByte, ..draft14::DIALECT.data.fetch },
        ..draft14::DIALECT.data
    },

    messages: &[MESSAGES],
    parameters: PARAMETERS,
    fixed: &[],
    setup_options: draft16::SETUP_OPTIONS,
    responses: ResponseForm::Shared,
    unsubscribe_namespace_ref: NamespaceRefForm::Request,
    request_codes: RequestCodes::Shared(&[codes::REFUSED, codes::SHARED, REQUEST_CODES]),
    done_codes: &[codes::DONE, draft14::DONE_CODES, DONE_CODES],
    ..draft14::DIALECT
};

const MESSAGES: &[MessageRow] = &[
    MessageRow::new(0x02, MessageKind::RequestUpdate, Control),
    MessageRow::new(0x03, MessageKind::Subscribe, Control),
    MessageRow::new(0x04, MessageKind::SubscribeOk, Control),
    MessageRow::new(0x05, MessageKind::RequestError, Control),
    MessageRow::new(0x06, MessageKind::PublishNamespace, Control),
    MessageRow::new(0x07, MessageKind::RequestOk, Control),
    MessageRow::new(0x09, MessageKind::PublishNamespaceDone, Control),
    MessageRow::new(0x0A, MessageKind::Unsubscribe, Control),
    MessageRow::new(0x0B, MessageKind::PublishDone, Control),
    MessageRow::new(0x0C, MessageKind::PublishNamespaceCancel, Control),
    MessageRow::new(0x0D, MessageKind::TrackStatus, Control),
    MessageRow::new(0x10, MessageKind::Goaway, Control),
    MessageRow::new(0x11, MessageKind::SubscribeNamespace, Control),
    MessageRow::new(0x14, MessageKind::UnsubscribeNamespace, Control),
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

const PARAMETERS: &[Row] =
    &changed::<{ changed_rows(draft14::PARAMETERS, CHANGES) }>(draft14::PARAMETERS, CHANGES);

/// What were fields of messages.
const CHANGES: &[Row] = &[
    Row::new(
        0x08,
        Parameter::Expires,
        Form::Int,
        &[SubscribeOk, Publish, PublishOk, TrackStatusOk],
    ),
    Row::new(
        0x09,
        Parameter::Largest,
        Form::Prefixed,
        &[SubscribeOk, Publish, TrackStatusOk, UpdateOk],
    ),
    Row::new(0x0E, Parameter::PublisherPriority, Form::Int, &[SubscribeOk, Publish, TrackStatusOk]),
    Row::new(
        0x10,
        Parameter::Forward,
        Form::Int,
        &[Subscribe, Publish, PublishOk, TrackStatus, SubscribeNamespace, Update],
    )
    .also_read_on(&[TrackStatusOk]),
    Row::new(
        0x20,
        Parameter::SubscriberPriority,
        Form::Int,
        &[Subscribe, PublishOk, TrackStatus, Fetch, Update],
    ),
    Row::new(
        0x21,
        Parameter::LocationFilter,
        Form::Prefixed,
        &[Subscribe, PublishOk, TrackStatus, Update],
    ),
    Row::new(
        0x22,
        Parameter::GroupOrder,
        Form::Int,
        &[Subscribe, SubscribeOk, Publish, PublishOk, TrackStatus, TrackStatusOk, Fetch],
    ),
    Row::new(0x30, Parameter::DynamicGroups, Form::Int, &[SubscribeOk, Publish, TrackStatusOk]),
    Row::new(0x32, Parameter::NewGroup, Form::Int, &[Subscribe, PublishOk, Update]),
];

const REQUEST_CODES: CodePart<RequestCode> =
    &[(RequestCode::InvalidJoiningRequestId, 0x32), (RequestCode::UnknownStatusInRange, 0x33)];

const DONE_CODES: CodePart<DoneCode> =
    &[(DoneCode::MalformedTrack, 0x7), (DoneCode::UpdateFailed, 0x8)];
