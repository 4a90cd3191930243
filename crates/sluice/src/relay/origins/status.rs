//! How each origin is, for people: the log says it when it changes, pages read it at any time.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::file::OriginSettings;

/// How an origin is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OriginState {
    /// A connection is being made.
    Connecting,
    /// It is there.
    Up {
        /// Since when.
        since: Instant,
        /// What is spoken with it.
        draft: String,
    },
    /// It is not there, and is tried again.
    Down {
        /// When.
        retry_at: Instant,
        /// Why it is not there.
        reason: String,
    },
}

/// An origin and how it is.
#[derive(Clone, Debug)]
pub struct OriginStatus {
    pub name: String,
    pub guid: String,
    pub address: String,
    pub priority: u8,
    pub state: OriginState,
    /// Times that it was lost or not reached in a row.
    pub failures: u32,
}

impl OriginStatus {
    pub fn new(settings: &OriginSettings) -> Self {
        Self {
            name: settings.name.clone(),
            guid: settings.guid.clone(),
            address: settings.target.to_string(),
            priority: settings.priority,
            state: OriginState::Connecting,
            failures: 0,
        }
    }

    pub fn to_json(&self, now: Instant) -> Value {
        let (state, detail) = match &self.state {
            OriginState::Connecting => ("connecting", json!({})),
            OriginState::Up { since, draft } => {
                let up = now.saturating_duration_since(*since);
                ("up", json!({"draft": draft, "for_s": up.as_secs()}))
            }
            OriginState::Down { retry_at, reason } => {
                let wait = retry_at.saturating_duration_since(now);
                ("down", json!({"reason": reason, "retry_in_ms": wait.as_millis() as u64}))
            }
        };
        json!({
            "name": self.name,
            "guid": self.guid,
            "address": self.address,
            "priority": self.priority,
            "state": state,
            "detail": detail,
            "failures": self.failures,
        })
    }
}

/// The state of all origins, written by the worker that has them.
#[derive(Clone, Debug, Default)]
pub struct OriginBoard(Arc<Mutex<Vec<OriginStatus>>>);

impl OriginBoard {
    pub fn new(origins: &[OriginSettings]) -> Self {
        Self(Arc::new(Mutex::new(origins.iter().map(OriginStatus::new).collect())))
    }

    /// Changes what is known of one.
    pub fn change(&self, index: usize, work: impl FnOnce(&mut OriginStatus)) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = list.get_mut(index) {
            work(status);
        }
    }

    /// All of them, in the order of the file.
    pub fn list(&self) -> Vec<OriginStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A wait, in words.
pub struct Soon(pub Duration);

impl fmt::Display for Soon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0.as_secs_f64())
    }
}
