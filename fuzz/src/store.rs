//! The store of a track, driven by operations and held against a naive model.

use std::time::Instant;

use sluice_core::store::model_check;

pub(crate) fn run(bytes: &[u8]) {
    model_check::run(bytes, Instant::now(), &mut |_| {});
}
