//! Draft 22. A location filter begins with its type and needs no length.

use super::dialect::{Dialect, Draft};
use super::draft20;
use super::draft21;
use super::layout::filter::FilterLayout;
use super::layout::parameter::Carrier::*;
use super::layout::parameter::{Form, Parameter, Row, changed, changed_rows};

pub(super) const DIALECT: Dialect = Dialect {
    draft: Draft::D22,
    token: "moqt-22",
    parameters: PARAMETERS,
    filter: FilterLayout::TypedFields,
    ..draft21::DIALECT
};

const PARAMETERS: &[Row] =
    &changed::<{ changed_rows(draft20::PARAMETERS, CHANGES) }>(draft20::PARAMETERS, CHANGES);

const CHANGES: &[Row] = &[Row::new(
    0x21,
    Parameter::LocationFilter,
    Form::Bare,
    &[Subscribe, Publish, Fetch, Update, StateNotify, Fill],
)
.also_read_on(&[SubscribeTracks])];
