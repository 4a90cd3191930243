//! Exit codes, beside 0 and 1.

/// A track ended, but not all of it arrived.
pub const INCOMPLETE: u8 = 3;
/// Ctrl-C or SIGTERM ended it: a tool cleanly, a relay without waiting for the end of draining.
pub const INTERRUPTED: u8 = 130;
