//! What a session is made with.

use super::SessionLimits;
use crate::model::Token;
use crate::wire::Draft;

/// How to speak with a peer. One serves many sessions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionConfig {
    /// Drafts that may be spoken, best first.
    pub drafts: Vec<Draft>,
    /// What we call ourselves in SETUP; nothing if empty.
    pub implementation: String,
    /// Bounds.
    pub limits: SessionLimits,
    /// PATH in the SETUP of a client on raw QUIC.
    pub path: Option<String>,
    /// AUTHORITY in the SETUP of a client on raw QUIC.
    pub authority: Option<String>,
    /// Tokens in our SETUP.
    pub tokens: Vec<Token>,
    /// The peer is a part of the same relay: objects may travel as publishers of any draft send
    /// them.
    pub is_link: bool,
}

impl Default for SessionConfig {
    /// Every draft, no name, default limits.
    fn default() -> Self {
        Self {
            drafts: Draft::ALL.to_vec(),
            implementation: String::new(),
            limits: SessionLimits::default(),
            path: None,
            authority: None,
            tokens: Vec::new(),
            is_link: false,
        }
    }
}
