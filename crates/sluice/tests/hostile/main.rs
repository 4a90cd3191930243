//! Peers that break rules, flood and stall, against the built relay, beside peers that do not.
//!
//! `attacker` writes bytes by hand over real connections, `neighbours` are a publisher and a
//! viewer that must not notice.

mod attacker;
mod bad_input;
mod floods;
mod memory;
mod neighbours;
#[path = "../support/mod.rs"]
mod support;
