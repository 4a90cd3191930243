//! The data plane: heads of streams, objects, fetched objects, datagrams (MOQT-18 §11).
//!
//! Everything that a draft does differently is a value of its [`DataPlane`]; the layouts are
//! written once. Decoders take bytes as they come: `Ok(None)` means that more are needed, and
//! nothing is ever half consumed. Payloads pass by untouched: a head says how long its payload is,
//! and the caller moves that many bytes.
//!
//! What a peer announces is never allocated for. Before a head is complete at most
//! [`HEAD_BYTES_MAX`] bytes have to be kept.

mod cursor;
mod datagram;
mod fetch;
mod object;
mod object_stream;
mod plane;
mod subgroup;
mod uni;
mod violation;

pub use fetch::{FetchDecoder, FetchEncoder};
pub use object::ObjectLayout;
pub(super) use object_stream::{TO_END, WITH_LENGTH};
pub use plane::{
    DataPlane, FetchForm, FetchLayout, IdForm, MarkLayout, MarkReading, StatusWithoutId,
};
pub use subgroup::SubgroupDecoder;
pub use uni::UniHead;
pub use violation::{DataInexpressible, DataViolation, FetchField};

use super::property::BLOCK_BYTES_MAX;

/// The longest head of a stream, object, or fetched object: a full block of properties and every
/// integer in its longest form.
pub const HEAD_BYTES_MAX: usize = BLOCK_BYTES_MAX as usize + 64;

#[cfg(test)]
mod tests;
