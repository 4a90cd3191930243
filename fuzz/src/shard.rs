//! Operations of peers on a whole relay: who connects over what, publishes, watches, fetches,
//! cancels and fails when. The naive model is the simulator's ledger of what was published: what
//! each viewer gets is held against it.

use sluice_sim::scenario;

/// Two bytes a decision; what is not decided, a fixed seed decides.
pub(crate) fn run(data: &[u8]) {
    scenario::run_decided(data, 1);
}
