//! AUTHORIZATION_TOKEN (MOQT-18 §10.2.1.1). Values are secrets: `Debug` never prints them.

use std::fmt;

use bytes::Bytes;

/// One token as it stands in a message. Aliases are resolved by the session.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Token {
    /// Forget the alias.
    Delete {
        /// The alias, of the sender's space.
        alias: u64,
    },
    /// Store under an alias, and use.
    Register {
        /// The alias, of the sender's space.
        alias: u64,
        /// Token type; 0 is agreed out of band.
        kind: u64,
        /// The secret.
        value: Bytes,
    },
    /// Use what is stored.
    UseAlias {
        /// The alias, of the sender's space.
        alias: u64,
    },
    /// Use once.
    UseValue {
        /// Token type; 0 is agreed out of band.
        kind: u64,
        /// The secret.
        value: Bytes,
    },
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Delete { alias } => write!(f, "Delete({alias})"),
            Token::Register { alias, kind, value } => {
                write!(f, "Register({alias}, type {kind}, {} bytes)", value.len())
            }
            Token::UseAlias { alias } => write!(f, "UseAlias({alias})"),
            Token::UseValue { kind, value } => {
                write!(f, "UseValue(type {kind}, {} bytes)", value.len())
            }
        }
    }
}
