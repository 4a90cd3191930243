//! Random pairs of sessions hold every invariant, over either lane.

use sluice_sim::lane::LaneKind;
use sluice_sim::seeds::{Cast, Options, run_many};

#[test]
fn every_invariant_holds_for_two_sessions_without_a_relay() {
    for (lane, count) in [(LaneKind::Model, 300), (LaneKind::Quic, 50)] {
        let casts = vec![Cast::Duet(lane)];
        let failures = run_many(&Options { count, casts, ..Options::default() }, |_| {});
        let text: Vec<_> = failures.iter().map(ToString::to_string).collect();
        assert!(text.is_empty(), "\n{}", text.join("\n\n"));
    }
}
