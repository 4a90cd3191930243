//! The first bytes of an input choose what it is thrown at.

use bytes::Bytes;
use sluice_proto::wire::{Dialect, Draft};

/// Takes choices off the front of an input.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next byte; 0 at the end.
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        first
    }

    /// One of `choices`.
    pub(crate) fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    /// A draft by its number, so that a seed names the same draft when others are added; any other
    /// byte stands for one of them too.
    pub(crate) fn dialect(&mut self) -> &'static Dialect {
        let byte = self.byte();
        let named = Draft::ALL.into_iter().find(|draft| draft.number() == byte);
        named.unwrap_or(Draft::ALL[usize::from(byte) % Draft::ALL.len()]).dialect()
    }

    /// The same among all that a server speaks.
    pub(crate) fn served_dialect(&mut self) -> &'static Dialect {
        let byte = self.rest.first().copied();
        match Draft::SERVED.into_iter().find(|draft| Some(draft.number()) == byte) {
            Some(draft) => {
                self.byte();
                draft.dialect()
            }
            None => self.dialect(),
        }
    }

    /// A length of one byte and that many bytes, or what there is of them.
    pub(crate) fn chunk(&mut self) -> Bytes {
        let length = usize::from(self.byte()).min(self.rest.len());
        let (chunk, rest) = self.rest.split_at(length);
        self.rest = rest;
        Bytes::copy_from_slice(chunk)
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }
}

/// All dialects.
pub(crate) fn dialects() -> impl Iterator<Item = &'static Dialect> {
    Draft::ALL.into_iter().map(Draft::dialect)
}
