//! The relay without its surroundings: what is published, who wants it, what is stored.
//!
//! What lives here:
//! - [`store`]: the objects of one track, fan-out buffer and cache in one structure.
//!
//! What must not: draft numbers, byte layouts, sockets, clocks, files, `async`, locks.

pub mod store;
