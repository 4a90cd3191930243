//! Exit codes of the media tools, beside 0 and 1.

/// A track ended, but not all of it arrived.
pub const INCOMPLETE: u8 = 3;
/// Ctrl-C or SIGTERM ended it, cleanly.
pub const INTERRUPTED: u8 = 130;
