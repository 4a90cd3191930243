//! What a session waits for with a limit of time.

use std::time::Instant;

/// What [`Session::poll_timeout`](super::Session::poll_timeout) is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SessionDeadline {
    /// The peer's SETUP has to be here; else the session is closed.
    Setup,
    /// Our GOAWAY's time is over; the session is closed.
    Goaway,
    /// The publisher has to answer SUBSCRIBE; else it is given up.
    Answer,
    /// Data whose track never became known is given up.
    EarlyData,
    /// A request that another one needs did not come; that is refused, or its owner decides.
    Dependent,
    /// The alias of an ended subscription is forgotten.
    LateData,
    /// The peer did not close its half of a finished request's stream; it is stopped.
    StreamLinger,
}

/// The soonest of the given deadlines.
pub(super) fn soonest(
    deadlines: impl IntoIterator<Item = (Option<Instant>, SessionDeadline)>,
) -> Option<(Instant, SessionDeadline)> {
    deadlines.into_iter().filter_map(|(at, what)| Some((at?, what))).min()
}
