//! Draft 18. Each request has its own stream, integers and parameters are of MOQT's own form, and
//! interest in namespaces and in tracks are requests of their own.

use super::data::{DataPlane, FetchLayout, IdForm};
use super::dialect::{Dialect, Draft, InterestForm, RequestTransport, SetupExchange};
use super::draft16;
use super::varint::Integers;
use crate::model::PropertyEncoding;

pub(super) const DIALECT: Dialect = Dialect {
    draft: Draft::D18,
    token: "moqt-18",
    integers: Integers::Moq,
    properties: PropertyEncoding::DeltaVi64,
    data: DataPlane {
        control_stream: Some(0x2F00),
        padding: true,
        first_object: true,
        fetch: FetchLayout { ids: IdForm::Delta, ..draft16::DIALECT.data.fetch },
        ..draft16::DIALECT.data
    },
    setup: SetupExchange::Both,
    requests: RequestTransport::OwnStream,
    interests: InterestForm::Separate,
    echo_own_tracks: false,
    publish_blocked: true,
    redirect: true,
    goaway_request: true,
    ..draft16::DIALECT
};
