//! A list whose items keep their numbers when the oldest go.

use std::collections::VecDeque;
use std::ops::{Index, IndexMut};

#[derive(Debug)]
pub(super) struct Numbered<T> {
    first: u64,
    items: VecDeque<T>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { first: 0, items: VecDeque::new() }
    }
}

impl<T> Numbered<T> {
    /// Appends an item and returns its number.
    pub(super) fn push(&mut self, item: T) -> u64 {
        self.items.push_back(item);
        self.end() - 1
    }

    pub(super) fn get(&self, number: u64) -> Option<&T> {
        self.items.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        self.items.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Number of the oldest item, or of the next one if there is none.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Number of the next item.
    pub(super) fn end(&self) -> u64 {
        self.first + self.items.len() as u64
    }

    pub(super) fn oldest(&self) -> Option<&T> {
        self.items.front()
    }

    pub(super) fn newest(&self) -> Option<&T> {
        self.items.back()
    }

    pub(super) fn pop_oldest(&mut self) -> Option<T> {
        let item = self.items.pop_front()?;
        self.first += 1;
        Some(item)
    }

    /// Takes the newest item back. Its number will be given again.
    pub(super) fn pop_newest(&mut self) -> Option<T> {
        self.items.pop_back()
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.items.iter()
    }
}

/// For items that are known to be there.
impl<T> Index<u64> for Numbered<T> {
    type Output = T;

    fn index(&self, number: u64) -> &T {
        self.get(number).expect("the item was not given up")
    }
}

impl<T> IndexMut<u64> for Numbered<T> {
    fn index_mut(&mut self, number: u64) -> &mut T {
        self.get_mut(number).expect("the item was not given up")
    }
}
