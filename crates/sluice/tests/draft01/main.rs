//! A scripted client of 2023/24, written from what is known of the deployed programs, over real
//! WebTransport against the built relay: as publisher and as viewer, among its own kind and with
//! clients of every later draft.

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod page;

mod bridged;
mod faults;
mod own_kind;
mod past;
mod publishers;
mod video;
