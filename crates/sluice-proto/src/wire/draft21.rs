//! Draft 21. The bytes of draft 20 under another name.

use super::dialect::{Dialect, Draft};
use super::draft20;

pub(super) const DIALECT: Dialect =
    Dialect { draft: Draft::D21, token: "moqt-21", ..draft20::DIALECT };
