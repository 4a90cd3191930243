//! Scripted clients that play the public browser encoder and player of draft 18, and the opening
//! of another family of browser clients, over real WebTransport against the built relay.
//!
//! They write and read the bytes themselves (`bytes`), over another library's WebTransport
//! (`page`), in the order and with the habits that those pages have (`encoder`, `player`).

#[path = "../support/mod.rs"]
mod support;

mod bytes;
mod encoder;
mod page;
mod player;

mod credit;
mod namespace_mode;
mod objects;
mod playing;
mod setup;
mod stopping;
mod track_mode;
mod watching;
