//! Random runs of the whole relay hold every invariant.

use sluice_sim::lane::LaneKind;
use sluice_sim::seeds::{Cast, Options, parse_list, run_many};

/// Runs seeds and fails with the commands that replay those that break an invariant.
fn hold(options: &Options) {
    let failures = run_many(options, |_| {});
    let text: Vec<_> = failures.iter().map(ToString::to_string).collect();
    assert!(text.is_empty(), "\n{}", text.join("\n\n"));
}

#[test]
fn every_invariant_holds_in_the_seeds_that_once_broke_one() {
    for seed in parse_list(include_str!("../seeds.txt")) {
        hold(&Options { from: seed, count: 1, ..Options::default() });
    }
    for seed in parse_list(include_str!("../seeds-quic.txt")) {
        let casts = Cast::relays(LaneKind::Quic);
        hold(&Options { from: seed, count: 1, casts, ..Options::default() });
    }
}

#[test]
fn every_invariant_holds_in_a_thousand_seeds() {
    hold(&Options { count: 1000, ..Options::default() });
}

#[test]
fn every_invariant_holds_over_real_quic() {
    let casts = Cast::relays(LaneKind::Quic);
    hold(&Options { count: 150, casts, ..Options::default() });
}
