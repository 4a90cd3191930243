//! Draft 18. Interest in namespaces and in tracks are requests of their own, a request can be moved
//! or redirected, and fetched ids are differences.

use super::codes::{self, CodePart, RequestCodes};
use super::data::{DataPlane, FetchLayout, IdForm};
use super::dialect::{Dialect, Draft, InterestForm, JoiningFetch};
use super::draft16;
use super::draft17;
use super::frame::MessageRow;
use super::frame::Streams::{Control, ControlOrWithin, Opens, Within};
use super::layout::goaway::GoawayLayout;
use super::layout::parameter::Carrier::*;
use super::layout::parameter::{Form, Parameter, Row};
use super::layout::response::{ErrorLayout, ResponseForm};
use super::message::MessageKind;
use super::varint::Integers;
use crate::model::{DoneCode, PropertyEncoding, RequestCode, ResetCode, SessionCode};

pub(super) const DIALECT: Dialect = Dialect {
    draft: Draft::D18,
    token: "moqt-18",
    integers: Integers::Moq,
    properties: PropertyEncoding::DeltaVi64,

    required_requests: false,
    interests: InterestForm::Separate,
    echo_own_tracks: false,
    joining_fetch: JoiningFetch::OfForwarding,
    redirect: true,
    goaway_request: true,

    data: DataPlane {
        padding: true,
        first_object: true,
        fetch: FetchLayout { ids: IdForm::Delta, ..draft17::DIALECT.data.fetch },
        ..draft17::DIALECT.data
    },

    messages: &[MESSAGES, PUBLISH_OK],
    parameters: PARAMETERS,
    goaway: GoawayLayout::UriTimeoutRequest,
    responses: ResponseForm::SharedWithPublish,
    errors: ErrorLayout::RetryRedirect,
    track_properties_unknown: &[],
    session_codes: &[codes::SESSION, &[(SessionCode::VersionNegotiationFailed, 0x15)]],
    request_codes: RequestCodes::Shared(&[
        codes::REFUSED,
        codes::SHARED,
        draft16::REQUEST_CODES,
        draft17::REQUEST_CODES,
        REQUEST_CODES,
    ]),
    done_codes: &[codes::DONE, DONE_CODES, &[(DoneCode::SubscriptionEnded, 0x3)]],
    reset_codes: &[codes::RESET, RESET_CODES],
    ..draft17::DIALECT
};

/// Still in the text's table, though its section is gone. Understood, never sent.
const PUBLISH_OK: &[MessageRow] = &[MessageRow::new(0x1E, MessageKind::PublishOk, Within)];

pub(super) const MESSAGES: &[MessageRow] = &[
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
    MessageRow::new(0x10, MessageKind::Goaway, ControlOrWithin),
    MessageRow::new(0x16, MessageKind::Fetch, Opens),
    MessageRow::new(0x18, MessageKind::FetchOk, Within),
    MessageRow::new(0x1D, MessageKind::Publish, Opens),
    MessageRow::new(0x50, MessageKind::SubscribeNamespace, Opens),
    MessageRow::new(0x51, MessageKind::SubscribeTracks, Opens),
    MessageRow::new(0x2F00, MessageKind::Setup, Control),
];

pub(super) const PARAMETERS: &[Row] = &[
    Row::new(0x02, Parameter::ObjectTimeout, Form::Int, &[Subscribe, PublishOk, Update]),
    Row::new(
        0x03,
        Parameter::Token,
        Form::Prefixed,
        &[
            Subscribe,
            Publish,
            Fetch,
            TrackStatus,
            PublishNamespace,
            SubscribeNamespace,
            SubscribeTracks,
            Update,
        ],
    ),
    Row::new(0x04, Parameter::RendezvousTimeout, Form::Int, &[Subscribe]),
    Row::new(0x06, Parameter::SubgroupTimeout, Form::Int, &[Subscribe, PublishOk, Update]),
    Row::new(0x08, Parameter::Expires, Form::Int, &[SubscribeOk, Publish, PublishOk, UpdateOk]),
    Row::new(
        0x09,
        Parameter::Largest,
        Form::Bare,
        &[SubscribeOk, Publish, TrackStatusOk, UpdateOk],
    ),
    Row::new(0x0A, Parameter::FillTimeout, Form::Int, &[Fetch]),
    Row::new(
        0x10,
        Parameter::Forward,
        Form::Byte,
        &[Subscribe, Publish, PublishOk, SubscribeTracks, Update],
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
    Row::new(0x34, Parameter::NamespacePrefix, Form::Bare, &[UpdateInterest]),
];

pub(super) const REQUEST_CODES: CodePart<RequestCode> =
    &[(RequestCode::UnsupportedExtension, 0x33), (RequestCode::Redirect, 0x34)];

/// Two of them changed places, so that 0x5 is the same here and among the resets.
pub(super) const DONE_CODES: CodePart<DoneCode> = &[
    (DoneCode::TooFarBehind, 0x5),
    (DoneCode::Expired, 0x6),
    (DoneCode::UpdateFailed, 0x8),
    (DoneCode::ExcessiveLoad, 0x9),
    (DoneCode::MalformedTrack, 0x12),
];

const RESET_CODES: CodePart<ResetCode> = &[
    (ResetCode::GoingAway, 0x4),
    (ResetCode::TooFarBehind, 0x5),
    (ResetCode::UnknownObjectStatus, 0x6),
    (ResetCode::ExpiredAuthToken, 0x7),
    (ResetCode::ExcessiveLoad, 0x9),
    (ResetCode::MalformedTrack, 0x12),
];
