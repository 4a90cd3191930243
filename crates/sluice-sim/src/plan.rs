//! Pieces of scenarios that a seed decides: links as one meets them, and the objects of a track.

use std::time::Duration;

use crate::content::{Batch, group};
use crate::link::{LinkConfig, Quirks};
use crate::rng::Rng;

/// A link.
pub fn link(rng: &mut Rng) -> LinkConfig {
    let mut link = LinkConfig::default().delay(Duration::from_micros(rng.range(0..60_000)));
    if rng.chance(600) {
        link = link.jitter(Duration::from_micros(rng.range(0..20_000)));
    }
    if rng.chance(400) {
        link = link.loss_permille(rng.range(1..40) as u16);
    }
    if rng.chance(300) {
        link.quirks = Quirks {
            tiny_reads_permille: rng.range(0..300) as u16,
            partial_writes_permille: rng.range(0..300) as u16,
            stale_events_permille: rng.range(0..300) as u16,
            late_credit: Duration::from_micros(rng.range(0..30_000)),
        };
    }
    if rng.chance(300) {
        link.stream_window_bytes = rng.range(2000..100_000) as u32;
    }
    if rng.chance(300) {
        link = link.web_transport("/moq");
    }
    link
}

/// What is sent of a track, and when. One seed is one track, whoever publishes it.
pub fn track(seed: u64) -> Vec<(Duration, Batch)> {
    let mut plan = Plan::new(seed);
    for number in 0..plan.groups {
        let start = plan.spacing * number as u32;
        if plan.rng.chance(100) {
            let batch = group(number).datagrams().objects(0..plan.rng.range(1..6));
            plan.batches.push((start, batch));
            continue;
        }
        for subgroup in 0..plan.subgroups {
            plan.subgroup(number, subgroup, start + plan.spacing * subgroup as u32 / 8);
        }
    }
    plan.batches
}

struct Plan {
    rng: Rng,
    groups: u64,
    spacing: Duration,
    subgroups: u64,
    /// Object ids go up in such steps.
    step: u64,
    marks: bool,
    large: bool,
    properties: bool,
    batches: Vec<(Duration, Batch)>,
}

impl Plan {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            groups: rng.range(3..9),
            spacing: Duration::from_millis(rng.range(100..700)),
            subgroups: 1 + rng.range(0..3),
            step: 1 + u64::from(rng.chance(200)),
            marks: rng.chance(300),
            large: rng.chance(200),
            properties: rng.chance(300),
            rng,
            batches: Vec::new(),
        }
    }

    fn subgroup(&mut self, number: u64, subgroup: u64, mut at: Duration) {
        let rng = &mut self.rng;
        let count = rng.range(1..8);
        let priority = rng.chance(300).then(|| rng.range(0..256) as u8);
        for object in 0..count {
            // Ids interleave over the subgroups, as layers of one picture do.
            let id = (object * self.subgroups + subgroup) * self.step;
            let mut batch = group(number).subgroup(subgroup).object(id).open();
            if let Some(priority) = priority {
                batch = batch.priority(priority);
            }
            if self.properties {
                batch = batch.properties();
            }
            if self.large {
                batch = batch.bytes(rng.range(0..20_000) as usize);
            }
            if object + 1 == count {
                batch = batch.finish();
            }
            if self.marks && self.subgroups == 1 {
                batch = batch.end_of_group();
            }
            self.batches.push((at, batch));
            at += self.spacing / (count as u32 + 2);
        }
    }
}
