//! The shapes that messages are made of. A shape is chosen by a value of the dialect and shared by
//! all drafts that have it; none of these files knows a draft by number.

pub(super) mod body;
pub(super) mod fetch;
pub(super) mod filter;
pub(super) mod fixed;
pub(super) mod goaway;
pub(super) mod name;
pub(super) mod namespace;
pub(super) mod parameter;
pub(super) mod publish;
pub(super) mod range_filter;
pub(super) mod response;
pub(super) mod setup;
pub(super) mod subscribe;
pub(super) mod token;
pub(super) mod track_properties;
