//! What sessions make the shard hold, and who pays when it is too much.

use sluice_proto::model::SessionCode;

use super::Shard;
use crate::ids::SessionKey;

impl Shard {
    /// Counts what a session holds now.
    pub(super) fn count_held(&mut self, key: SessionKey) {
        // What other shards hold here is within their credit.
        let Some(entry) = self.entry_mut(key).filter(|entry| entry.link.is_none()) else { return };
        let now = entry.session.held_bytes();
        let before = std::mem::replace(&mut entry.held_bytes, now);
        self.held_bytes = self.held_bytes + now - before;
    }

    /// A session is removed.
    pub(super) fn uncount_held(&mut self, key: SessionKey) {
        let Some(entry) = self.entry_mut(key) else { return };
        let (held_bytes, has_window, scope) = (entry.held_bytes, entry.has_window, entry.scope);
        self.held_bytes -= held_bytes;
        self.windows -= usize::from(has_window);
        // Whoever connects names scopes, so that they must not outlive their sessions.
        let of_scope = self.sessions.iter().filter(|(_, entry)| entry.scope == scope);
        if !self.scopes.is_empty() && of_scope.take(2).count() == 1 {
            self.scopes.retain(|_, of| *of != scope);
        }
    }

    /// Closes the session that holds most, if all together hold far too much.
    pub(super) fn relieve(&mut self) {
        let max = self.limits.held_bytes_max;
        if self.held_bytes <= max + max / 8 {
            return;
        }
        let most = self
            .sessions
            .iter()
            .filter(|(_, entry)| !entry.session.is_closed() && entry.link.is_none())
            .max_by_key(|(_, entry)| entry.held_bytes)
            .map(|(index, entry)| SessionKey { index: index as u32, generation: entry.generation });
        let Some(key) = most else { return };
        if let Some(entry) = self.entry_mut(key) {
            let reason = "this session holds most of a relay that holds too much";
            entry.session.close(SessionCode::Internal, reason);
            self.dirty.insert(key);
        }
    }

    /// A session publishes: it gets a publisher's window while there are some.
    pub(super) fn grant_window(&mut self, key: SessionKey) {
        if self.windows >= self.limits.publisher_windows_max {
            return;
        }
        let Some(entry) = self.entry_mut(key) else { return };
        if entry.has_window || entry.link.is_some() {
            return;
        }
        entry.has_window = true;
        entry.session.widen_window();
        self.windows += 1;
        self.dirty.insert(key);
    }
}
