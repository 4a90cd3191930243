//! Draft 20. Ends are inclusive everywhere, a fetch is a name and a filter, and joining becomes a
//! fill. The text is not public yet: the bytes are those that two implementations agree on.

use super::data::{DataPlane, FetchLayout, IdForm, MarkLayout, MarkReading};
use super::dialect::{Dialect, Draft, FinMeaning};
use super::draft18;

pub(super) const DIALECT: Dialect = Dialect {
    draft: Draft::D20,
    token: "moqt-20",
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
    publish_ok_settings: false,
    joining_fetch: false,
    fill: true,
    rich_filters: true,
    range_filters: true,
    several_subscriptions: true,
    filter_end_ends_subscription: false,
    state_notify: true,
    fin: FinMeaning::NoMoreUpdates,
    ..draft18::DIALECT
};
