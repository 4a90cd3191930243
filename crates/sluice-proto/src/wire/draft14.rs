//! Draft 14. One control stream, versions in band, settings as fields of messages.

use super::data::{DataPlane, FetchForm, FetchLayout, IdForm, StatusWithoutId};
use super::dialect::{Dialect, Draft, FinMeaning, InterestForm, RequestTransport, SetupExchange};
use super::varint::Integers;
use crate::model::PropertyEncoding;

pub(super) const DIALECT: Dialect = Dialect {
    draft: Draft::D14,
    token: "moq-00",
    version: Some(0xff00_000e),
    integers: Integers::Quic,
    properties: PropertyEncoding::Absolute,
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
    setup: SetupExchange::VersionsInBand,
    requests: RequestTransport::ControlStream,
    namespaces_on_own_stream: false,
    interests: InterestForm::Combined,
    echo_own_tracks: true,
    publish_blocked: false,
    updates_answered: false,
    updates_any_request: false,
    publish_ok_settings: true,
    joining_fetch: true,
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
};
