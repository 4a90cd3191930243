//! The objects of one subgroup that we publish, in the order they were written.

use std::collections::VecDeque;

use crate::object::Object;

/// What an object costs beside its payload.
const OBJECT_BYTES: usize = 256;

/// Objects by position; positions count from the first ever written, also when it is gone.
#[derive(Default)]
pub(super) struct Log {
    gone: usize,
    objects: VecDeque<Object>,
}

impl Log {
    pub fn push(&mut self, object: Object) {
        self.objects.push_back(object);
    }

    pub fn get(&self, position: usize) -> Option<&Object> {
        self.objects.get(position.checked_sub(self.gone)?)
    }

    /// What is held, from a position on.
    pub fn from(&self, position: usize) -> impl Iterator<Item = &Object> {
        self.objects.iter().skip(position.saturating_sub(self.gone))
    }

    /// What is held.
    pub fn iter(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter()
    }

    /// Position of the first object that is held.
    pub fn first(&self) -> usize {
        self.gone
    }

    /// Position of the first held object that fits.
    pub fn position(&self, fits: impl Fn(&Object) -> bool) -> Option<usize> {
        self.objects.iter().position(fits).map(|index| index + self.gone)
    }

    /// Forgets the first object that is held.
    pub fn forget_first(&mut self) -> Option<Object> {
        let object = self.objects.pop_front()?;
        self.gone += 1;
        Some(object)
    }
}

/// What holding an object costs.
pub(super) fn cost(object: &Object) -> usize {
    object.payload.len() + object.properties.raw().len() + OBJECT_BYTES
}
