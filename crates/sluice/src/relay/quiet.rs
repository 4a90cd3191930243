//! Sessions that ask for nothing: the commonest sign of a client that is set up wrongly.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sluice_core::SessionKey;

/// How long a session may ask for nothing before it is said.
pub const QUIET_AFTER: Duration = Duration::from_secs(5);

/// Sessions that began lately, oldest first. Each is looked at once.
#[derive(Default)]
pub struct QuietSessions {
    began: VecDeque<(Instant, SessionKey)>,
}

impl QuietSessions {
    /// A session began.
    pub fn watch(&mut self, session: SessionKey, now: Instant) {
        self.began.push_back((now + QUIET_AFTER, session));
    }

    /// When [`QuietSessions::poll_due`] has something next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.began.front().map(|(at, _)| *at)
    }

    /// The next session to look at, if its time has come.
    pub fn poll_due(&mut self, now: Instant) -> Option<SessionKey> {
        if self.poll_timeout()? > now {
            return None;
        }
        self.began.pop_front().map(|(_, session)| session)
    }
}
