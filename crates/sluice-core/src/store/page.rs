//! The memory that payload bytes of one group live in.
//!
//! Bytes are copied once, on arrival, into pages that belong to the group: a slice of a receive
//! buffer would keep all of that buffer alive. What has been written of a page can be handed out
//! as [`Bytes`] while the rest of it is still empty.

use bytes::{Bytes, BytesMut};

use super::numbered::Numbered;

/// Largest page.
pub const PAGE_BYTES_MAX: usize = 16 * 1024;
/// Smallest page.
const PAGE_BYTES_MIN: usize = 256;
/// What a page costs besides its bytes.
const PAGE_OVERHEAD_BYTES: usize = 64;

/// Number of a page within its group, in order of allocation.
pub(super) type PageNumber = u64;

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
    /// All pages that hold something, or have room.
    ledger: Numbered<Page>,
    /// What they cost.
    cost_bytes: usize,
}

#[derive(Debug)]
struct Page {
    cost_bytes: usize,
    /// Frozen parts that somebody owns.
    runs: u32,
}

/// A frozen part of a page.
#[derive(Debug)]
pub(super) struct Run {
    /// Whose bytes these are.
    pub(super) owner: u64,
    /// The page they stand on; none for bytes of another store.
    pub(super) page: Option<PageNumber>,
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
    pub(super) fn write(
        &mut self,
        owner: u64,
        data: &[u8],
        expected_bytes: u64,
        whole: bool,
    ) -> usize {
        debug_assert!(!self.must_seal(owner, data.len(), whole));
        if self.room == 0 || whole && self.room < data.len() {
            let size = self.next_page_bytes(data.len(), expected_bytes, whole);
            self.open = BytesMut::with_capacity(size);
            self.room = size;
            let cost_bytes = size + PAGE_OVERHEAD_BYTES;
            self.cost_bytes += cost_bytes;
            self.ledger.push(Page { cost_bytes, runs: 0 });
            self.drop_empty();
        }
        let fits = data.len().min(self.room);
        self.open.extend_from_slice(&data[..fits]);
        self.room -= fits;
        self.owner = Some(owner);
        self.written_bytes += fits;
        fits
    }

    /// Freezes what is written and not frozen yet.
    pub(super) fn seal(&mut self) -> Option<Run> {
        if self.open.is_empty() {
            return None;
        }
        let owner = self.owner.take()?;
        let page = self.ledger.end() - 1;
        self.ledger[page].runs += 1;
        Some(Run { owner, page: Some(page), bytes: self.open.split().freeze() })
    }

    /// A frozen part is given up.
    pub(super) fn release(&mut self, page: PageNumber) {
        if let Some(page) = self.ledger.get_mut(page) {
            page.runs = page.runs.saturating_sub(1);
        }
        self.drop_empty();
    }

    /// Forgets the oldest pages as far as nothing is left on them. The newest one stays.
    fn drop_empty(&mut self) {
        while self.ledger.len() > 1 && self.ledger.oldest().is_some_and(|page| page.runs == 0) {
            if let Some(page) = self.ledger.pop_oldest() {
                self.cost_bytes -= page.cost_bytes;
            }
        }
    }

    /// Whether the unfrozen bytes are `owner`'s.
    pub(super) fn is_open_for(&self, owner: u64) -> bool {
        self.owner == Some(owner) && !self.open.is_empty()
    }

    /// The unfrozen bytes, if they are `owner`'s.
    pub(super) fn unsealed(&self, owner: u64) -> &[u8] {
        if self.owner == Some(owner) { &self.open } else { &[] }
    }

    /// What all pages cost.
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
