//! The wire formats of every draft, as tables: bytes to canonical messages and back.
//!
//! A [`Dialect`] is one draft: code points, layouts and capabilities, all values in one constant.
//! `draft14.rs`, `draft16.rs`, … each say only what changed against the draft before; layouts
//! shared between drafts live in `layout` under the name of their shape. The resolved tables are
//! printed in `tests/snapshots/dialects.txt`, which is the reference of what each draft does here.
//!
//! Everything here is a pure function of bytes: nothing panics on input, nothing is allocated by
//! an announced length, and nothing remembers. What needs memory (order of ids, open requests,
//! token aliases) belongs to the session.
//!
//! [`Draft`] is named here, by negotiation and by the operator's list of drafts. Everyone else asks a
//! [`Dialect`] what it can do.

mod codes;
pub mod data;
mod dialect;
mod draft01;
mod draft14;
mod draft15;
mod draft16;
mod draft17;
mod draft18;
mod draft19;
mod draft20;
mod draft21;
mod draft22;
mod frame;
mod layout;
mod message;
mod place;
pub mod property;
mod table;
pub mod varint;
mod violation;

pub use dialect::{
    Dialect, Draft, Family, FinMeaning, InterestForm, JoiningFetch, RequestTransport,
    SetupExchange, UnknownDraft, Widening,
};
pub use draft01::{
    Locations, NamedFault, NamedKind, NamedMessage, NamedViolation, Role, VERSION as NAMED_VERSION,
    joined_namespace, split_namespace,
};
pub use message::{
    About, Context, Inexpressible, Message, MessageKind, MessageStream, NamespaceRef,
};
pub use place::{Place, PlaceMessage};
pub use violation::{Field, RangeFilterFault, Reach, Violation};
