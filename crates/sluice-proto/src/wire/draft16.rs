//! Draft 16. Key-value types are deltas, settings are parameters, tracks have properties, and a
//! namespace subscription has its own stream.

use super::data::{
    DataPlane, FetchForm, FetchLayout, IdForm, MarkLayout, MarkReading, StatusWithoutId,
};
use super::dialect::{Dialect, Draft, InterestForm, SetupExchange};
use super::draft14;
use crate::model::PropertyEncoding;

pub(super) const DIALECT: Dialect = Dialect {
    draft: Draft::D16,
    token: "moqt-16",
    version: None,
    properties: PropertyEncoding::Delta,
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
    setup: SetupExchange::ClientFirst,
    namespaces_on_own_stream: true,
    interests: InterestForm::Options,
    updates_answered: true,
    updates_any_request: true,
    track_properties: true,
    ..draft14::DIALECT
};
