//! The memory that payload bytes of one group live in.
//!
//! Bytes are copied once, on arrival, into pages that belong to the group: a slice of a receive
//! buffer would keep all of that buffer alive. What has been written of a page can be handed out
//! as [`Bytes`] while the rest of it is still empty.

use bytes::{Bytes, BytesMut};

/// Largest page.
pub const PAGE_BYTES_MAX: usize = 16 * 1024;
/// Smallest page.
const PAGE_BYTES_MIN: usize = 256;
/// What a page costs besides its bytes.
const PAGE_OVERHEAD_BYTES: usize = 64;

/// The pages of one group. Only the newest one has room.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// The written but not yet frozen part of the newest page, and the room after it.
    open: BytesMut,
    /// Bytes that still fit.
    room: usize,
    /// Whom the unfrozen part belongs to.
    owner: Option<u64>,
    /// Bytes written so far; later pages are never much larger than what is there already.
    written_bytes: usize,
    /// What all pages cost.
    cost_bytes: usize,
}

/// A frozen part of a page.
#[derive(Debug)]
pub(super) struct Run {
    /// Whose bytes these are.
    pub(super) owner: u64,
    /// The bytes.
    pub(super) bytes: Bytes,
}

impl Pages {
    /// Whether the next `data_bytes` of `owner` need [`seal`](Self::seal) first: the unfrozen part
    /// is another's, or a new page has to begin.
    pub(super) fn must_seal(&self, owner: u64, data_bytes: usize, whole: bool) -> bool {
        let turns = self.room == 0 || whole && self.room < data_bytes;
        !self.open.is_empty() && (turns || self.owner != Some(owner))
    }

    /// Writes what fits of `data` for `owner` and returns how much that is. `expected_bytes` is
    /// how much `owner` still announces, `data` included; `whole` wants all of it on one page.
    /// The second number is what a new page costs, if one was needed.
    pub(super) fn write(
        &mut self,
        owner: u64,
        data: &[u8],
        expected_bytes: u64,
        whole: bool,
    ) -> (usize, usize) {
        debug_assert!(!self.must_seal(owner, data.len(), whole));
        let mut cost = 0;
        if self.room == 0 || whole && self.room < data.len() {
            let size = self.next_page_bytes(data.len(), expected_bytes, whole);
            self.open = BytesMut::with_capacity(size);
            self.room = size;
            cost = size + PAGE_OVERHEAD_BYTES;
            self.cost_bytes += cost;
        }
        let fits = data.len().min(self.room);
        self.open.extend_from_slice(&data[..fits]);
        self.room -= fits;
        self.owner = Some(owner);
        self.written_bytes += fits;
        (fits, cost)
    }

    /// Freezes what is written and not frozen yet.
    pub(super) fn seal(&mut self) -> Option<Run> {
        if self.open.is_empty() {
            return None;
        }
        let owner = self.owner.take()?;
        Some(Run { owner, bytes: self.open.split().freeze() })
    }

    /// The unfrozen bytes, if they are `owner`'s.
    pub(super) fn unsealed(&self, owner: u64) -> &[u8] {
        if self.owner == Some(owner) { &self.open } else { &[] }
    }

    /// What all pages cost.
    #[cfg(any(test, feature = "model"))]
    pub(super) fn cost_bytes(&self) -> usize {
        self.cost_bytes
    }

    /// What `bytes` bytes of a page allocated now would be sized. An announced length alone never
    /// allocates: at most double of what has arrived.
    fn next_page_bytes(&self, data_bytes: usize, expected_bytes: u64, whole: bool) -> usize {
        if whole && data_bytes > PAGE_BYTES_MAX {
            return data_bytes;
        }
        let announced = usize::try_from(expected_bytes).unwrap_or(usize::MAX);
        data_bytes
            .max(announced.min(self.written_bytes.saturating_mul(2)))
            .max(self.written_bytes)
            .clamp(PAGE_BYTES_MIN, PAGE_BYTES_MAX)
    }
}
