//! One MOQT session: setup, the table of requests, control and data streams.
//!
//! A session is driven; it does nothing by itself:
//!
//! 1. Something happened on the connection: [`Session::handle_transport`]; or a deadline passed:
//!    [`Session::handle_timeout`].
//! 2. Drain [`Session::poll_event`], acting on each. Commands (`request`, `subscribe_ok`,
//!    `cancel`, …) only queue.
//! 3. [`Session::flush`] writes what the commands queued. Data goes through
//!    [`Session::open_subgroup`], [`Session::open_fetch`] and `Transport::write` directly.
//! 4. Sleep until the transport has events or [`Session::poll_timeout`].
//!
//! Events and commands are canonical (`model`). What a draft cannot express is emulated here or
//! refused with [`CommandError`]; owners never ask which draft a peer speaks. A peer's
//! fault costs what [`Violation::reach`](crate::wire::Violation::reach) says: a stream, a request, or the session.

mod event;

pub use event::{RequestEnd, Response, SessionEnd, SessionEvent};
