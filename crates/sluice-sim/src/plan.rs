//! Pieces of scenarios that a seed decides: links as one meets them, and the objects of a track.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::content::{Batch, Carriage, group};
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
        if plan.rng.chance(plan.datagrams_permille) {
            let batch = group(number).datagrams().objects(0..plan.rng.range(1..6));
            plan.batches.push((start, batch));
            continue;
        }
        plan.group(number, start);
    }
    plan.batches
}

/// Whether a track has objects of both kinds, which the oldest drafts do not allow.
pub fn is_mixed(batches: &[(Duration, Batch)]) -> bool {
    let of = |kind: bool| {
        batches.iter().any(|(_, batch)| (batch.carriage == Carriage::Datagrams) == kind)
    };
    of(true) && of(false)
}

struct Plan {
    rng: Rng,
    /// Groups that come as datagrams, in a thousand.
    datagrams_permille: u16,
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
        let datagrams_permille = *rng.pick(&[0, 0, 0, 0, 0, 0, 0, 1000, 200, 200]);
        Self {
            datagrams_permille,
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

    /// One group: ids go up in the order in which objects are made, over all subgroups, as a
    /// publisher that can answer a fetch at any time has to count them.
    fn group(&mut self, number: u64, start: Duration) {
        let mut moments = Vec::new();
        for subgroup in 0..self.subgroups {
            let count = self.rng.range(1..8);
            let mut at = start + self.spacing * subgroup as u32 / 8;
            for object in 0..count {
                moments.push((at, subgroup, object + 1 == count));
                at += self.spacing / (count as u32 + 2);
            }
        }
        moments.sort_unstable();
        let mut priorities = BTreeMap::new();
        for (order, (at, subgroup, last)) in moments.into_iter().enumerate() {
            let id = order as u64 * self.step;
            let mut batch = group(number).subgroup(subgroup).object(id).open();
            let rng = &mut self.rng;
            let priority = priorities
                .entry(subgroup)
                .or_insert_with(|| rng.chance(300).then(|| rng.range(0..256) as u8));
            if let Some(priority) = *priority {
                batch = batch.priority(priority);
            }
            if self.properties {
                batch = batch.properties();
            }
            if self.large {
                batch = batch.bytes(self.rng.range(0..20_000) as usize);
            }
            if last {
                batch = batch.finish();
            }
            if self.marks && self.subgroups == 1 {
                batch = batch.end_of_group();
            }
            self.batches.push((at, batch));
        }
    }
}
