//! Tokens under aliases (MOQT-18 §10.2.1.1). One space per session: the peer's.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::model::Token;
use crate::wire::Violation;

/// Bytes that an entry costs besides its value.
const ENTRY_BYTES: usize = 16;

/// What the peer registered.
#[derive(Debug, Default)]
pub(super) struct TokenCache {
    entries: BTreeMap<u64, (u64, Bytes)>,
    used_bytes: usize,
    max_bytes: usize,
}

impl TokenCache {
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, ..Self::default() }
    }

    /// Resolves a message's tokens to values. The error closes the session.
    pub fn resolve(&mut self, tokens: &mut Vec<Token>) -> Result<(), Violation> {
        let mut resolved = Vec::with_capacity(tokens.len());
        for token in tokens.drain(..) {
            match token {
                Token::UseValue { .. } => resolved.push(token),
                Token::UseAlias { alias } => {
                    let (kind, value) = self
                        .entries
                        .get(&alias)
                        .cloned()
                        .ok_or(Violation::UnknownTokenAlias { alias })?;
                    resolved.push(Token::UseValue { kind, value });
                }
                Token::Delete { alias } => {
                    let removed = self.entries.remove(&alias);
                    let (_, value) = removed.ok_or(Violation::UnknownTokenAlias { alias })?;
                    self.used_bytes -= ENTRY_BYTES + value.len();
                }
                Token::Register { alias, kind, value } => {
                    self.register(alias, kind, value.clone())?;
                    resolved.push(Token::UseValue { kind, value });
                }
            }
        }
        *tokens = resolved;
        Ok(())
    }

    /// Resolves SETUP's tokens, where registering beyond the cache only means "use".
    pub fn resolve_setup(&mut self, tokens: &mut [Token]) -> Result<(), Violation> {
        for token in tokens {
            match token {
                Token::UseValue { .. } => {}
                Token::Register { alias, kind, value } => {
                    match self.register(*alias, *kind, value.clone()) {
                        Ok(()) | Err(Violation::TokenCacheOverflow { .. }) => {}
                        Err(violation) => return Err(violation),
                    }
                    *token = Token::UseValue { kind: *kind, value: value.clone() };
                }
                Token::Delete { .. } | Token::UseAlias { .. } => {
                    return Err(Violation::SetupTokenAlias);
                }
            }
        }
        Ok(())
    }

    fn register(&mut self, alias: u64, kind: u64, value: Bytes) -> Result<(), Violation> {
        if self.entries.contains_key(&alias) {
            return Err(Violation::DuplicateTokenAlias { alias });
        }
        let cost = ENTRY_BYTES + value.len();
        if self.used_bytes + cost > self.max_bytes {
            let (bytes, max) = ((self.used_bytes + cost) as u64, self.max_bytes as u64);
            return Err(Violation::TokenCacheOverflow { bytes, max });
        }
        self.used_bytes += cost;
        self.entries.insert(alias, (kind, value));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(alias: u64, value: &'static [u8]) -> Token {
        Token::Register { alias, kind: 0, value: Bytes::from_static(value) }
    }

    #[test]
    fn an_alias_stands_for_what_was_registered_until_deleted() {
        let mut cache = TokenCache::new(64);
        let mut tokens = vec![register(1, b"secret")];
        cache.resolve(&mut tokens).unwrap();
        let mut tokens = vec![Token::UseAlias { alias: 1 }];
        cache.resolve(&mut tokens).unwrap();
        let value = Bytes::from_static(b"secret");
        assert_eq!(tokens, [Token::UseValue { kind: 0, value }]);
        cache.resolve(&mut vec![Token::Delete { alias: 1 }]).unwrap();
        let gone = cache.resolve(&mut vec![Token::UseAlias { alias: 1 }]);
        assert_eq!(gone, Err(Violation::UnknownTokenAlias { alias: 1 }));
    }

    #[test]
    fn registering_beyond_the_cache_closes_but_in_setup_only_uses() {
        let mut cache = TokenCache::new(0);
        let overflow = cache.resolve(&mut vec![register(1, b"x")]);
        assert_eq!(overflow, Err(Violation::TokenCacheOverflow { bytes: 17, max: 0 }));
        let mut tokens = vec![register(1, b"x")];
        cache.resolve_setup(&mut tokens).unwrap();
        assert!(matches!(tokens[0], Token::UseValue { .. }));
    }
}
