//! The result of a run, for people and for machines.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::load::{Load, Relay};
use crate::meter::{Meter, Times};

/// Part of a core above which the load itself is the limit.
const BUSY: f64 = 0.9;

/// What was read of the relay's process, and of our own.
#[derive(Clone, Debug, Default)]
pub struct Cost {
    /// Time that was measured.
    pub measured: Duration,
    /// CPU time of each of the relay's threads in it, the busiest first.
    pub threads: Option<Vec<Duration>>,
    /// Its memory with publishers alone.
    pub empty_bytes: Option<u64>,
    /// Its memory with all viewers, before the first object.
    pub idle_bytes: Option<u64>,
    /// Its memory in the end.
    pub active_bytes: Option<u64>,
    /// CPU time of our own busiest thread.
    pub own_busiest: Duration,
}

/// Percentiles of a time, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    /// How many times were measured.
    pub count: u64,
    /// Half are not above.
    pub p50_us: u64,
    /// Nine of ten are not above.
    pub p90_us: u64,
    /// 99 of 100 are not above.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Percentiles {
    fn of(times: &Times) -> Percentiles {
        let quantile = |part| times.quantile(part).as_micros() as u64;
        Percentiles {
            count: times.count(),
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            max_us: quantile(1.0),
        }
    }
}

/// What the relay used. Only with its process id.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RelayCost {
    /// CPU time for each object delivered to a viewer, in microseconds.
    pub cpu_us_per_object: f64,
    /// CPU time for 10^9 delivered payload bytes, in seconds.
    pub cpu_s_per_gigabyte: f64,
    /// Part of a core that each of its threads used, the busiest first; idle ones are left out.
    pub cores: Vec<f64>,
    /// Memory that each viewer added before the first object.
    pub bytes_per_idle_viewer: f64,
    /// Memory that each viewer added in the end.
    pub bytes_per_active_viewer: f64,
    /// Memory in the end.
    pub resident_bytes: u64,
}

/// The result of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The relay's address.
    pub relay: String,
    /// The load in words.
    pub load: String,
    /// Seconds that were measured.
    pub seconds: f64,
    /// Objects that viewers got in them.
    pub objects: u64,
    /// Their payload.
    pub bytes: u64,
    /// Objects that should have come in them.
    pub objects_wanted: u64,
    /// Objects that never came, over the whole run.
    pub lost: u64,
    /// That came twice.
    pub duplicates: u64,
    /// That a later one of their track had overtaken.
    pub reordered: u64,
    /// Streams that were reset.
    pub resets: u64,
    /// From when an object was due until a viewer had all of it.
    pub latency: Percentiles,
    /// From a new viewer's first packet until it had all of an object.
    pub join: Percentiles,
    /// What the relay used, if its process was given.
    pub cost: Option<RelayCost>,
    /// How late objects were written: this is the load's own fault, and part of the latency.
    pub publish_late: Percentiles,
    /// Part of a core that the load's busiest thread used.
    pub own_core: f64,
    /// Connections that ended too early, and requests that were refused.
    pub failed: usize,
    /// What some of them were told.
    pub failures: Vec<String>,
}

impl Report {
    pub(crate) fn new(
        load: &Load,
        relay: &Relay,
        meter: &Meter,
        late: &Times,
        cost: Cost,
    ) -> Report {
        let seconds = cost.measured.as_secs_f64();
        let taken = (load.viewers * load.tracks_per_viewer) as f64;
        Report {
            relay: relay.target.to_string(),
            load: describe(load),
            seconds,
            objects: meter.objects,
            bytes: meter.bytes,
            objects_wanted: (taken * load.rate * seconds) as u64,
            lost: meter.lost,
            duplicates: meter.duplicates,
            reordered: meter.reordered,
            resets: meter.resets,
            latency: Percentiles::of(&meter.latency),
            join: Percentiles::of(&meter.join),
            cost: cost.threads.as_ref().map(|threads| relay_cost(load, meter, threads, &cost)),
            publish_late: Percentiles::of(late),
            own_core: cost.own_busiest.as_secs_f64() / seconds,
            failed: 0,
            failures: Vec::new(),
        }
    }

    /// Whether the figures say more of the load's limits than of the relay's.
    pub fn is_own_limit(&self) -> bool {
        self.own_core > BUSY
    }
}

fn relay_cost(load: &Load, meter: &Meter, threads: &[Duration], cost: &Cost) -> RelayCost {
    let cpu: Duration = threads.iter().sum();
    let seconds = cost.measured.as_secs_f64();
    let per = |value: f64, of: u64| if of == 0 { f64::NAN } else { value / of as f64 };
    let viewers = (load.viewers + load.slow_viewers) as u64;
    let empty = cost.empty_bytes.unwrap_or_default();
    let added = |bytes: Option<u64>| bytes.unwrap_or_default().saturating_sub(empty) as f64;
    RelayCost {
        cpu_us_per_object: per(cpu.as_secs_f64() * 1e6, meter.objects),
        cpu_s_per_gigabyte: per(cpu.as_secs_f64() * 1e9, meter.bytes),
        cores: threads
            .iter()
            .map(|thread| thread.as_secs_f64() / seconds)
            .filter(|core| *core >= 0.001)
            .collect(),
        bytes_per_idle_viewer: per(added(cost.idle_bytes), viewers),
        bytes_per_active_viewer: per(added(cost.active_bytes), viewers),
        resident_bytes: cost.active_bytes.unwrap_or_default(),
    }
}

fn describe(load: &Load) -> String {
    let Load { viewers, tracks_per_viewer, object_bytes, rate, slow_viewers, .. } = load;
    let how = if load.datagrams {
        "datagrams".to_owned()
    } else {
        format!("groups of {}", load.group_objects)
    };
    let mut text = format!(
        "{} tracks, {viewers} viewers of {tracks_per_viewer}, {object_bytes} B x {rate}/s, {how}",
        load.tracks_total(),
    );
    if *slow_viewers > 0 {
        text.push_str(&format!(", {slow_viewers} slow viewers"));
    }
    if load.joins_per_second > 0.0 {
        text.push_str(&format!(", {} joins/s", load.joins_per_second));
    }
    text
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |micros: u64| micros as f64 / 1000.0;
        let Percentiles { count, p50_us, p90_us, p99_us, max_us } = *self;
        if count == 0 {
            return f.write_str("none");
        }
        write!(
            f,
            "p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
            millis(p50_us),
            millis(p90_us),
            millis(p99_us),
            millis(max_us),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, name: &str, value: &dyn fmt::Display| {
            writeln!(f, "  {name:<12} {value}")
        };
        writeln!(f, "{}\n{}, {:.1} s", self.relay, self.load, self.seconds)?;
        let part = 100.0 * self.objects as f64 / self.objects_wanted.max(1) as f64;
        let rate = self.objects as f64 / self.seconds;
        let bits = self.bytes as f64 * 8.0 / self.seconds / 1e6;
        let delivered = format!(
            "{} objects, {rate:.0}/s, {bits:.1} Mbit/s, {part:.1} % of what was due",
            self.objects
        );
        row(f, "delivered", &delivered)?;
        let faults = format!(
            "{} lost, {} twice, {} out of order, {} streams reset",
            self.lost, self.duplicates, self.reordered, self.resets
        );
        row(f, "faults", &faults)?;
        row(f, "latency", &self.latency)?;
        if self.join.count > 0 {
            row(f, "join", &format!("{} ({} joins)", self.join, self.join.count))?;
        }
        if let Some(cost) = &self.cost {
            let cores: Vec<String> = cost.cores.iter().map(|core| format!("{core:.2}")).collect();
            let cpu = format!(
                "{:.2} us of CPU per object, {:.2} s per GB; cores used: {}",
                cost.cpu_us_per_object,
                cost.cpu_s_per_gigabyte,
                cores.join(" ")
            );
            row(f, "relay", &cpu)?;
            let memory = format!(
                "{:.1} KiB per idle viewer, {:.1} KiB per active viewer, {:.1} MiB in all",
                cost.bytes_per_idle_viewer / 1024.0,
                cost.bytes_per_active_viewer / 1024.0,
                cost.resident_bytes as f64 / (1 << 20) as f64
            );
            row(f, "memory", &memory)?;
        }
        let own = format!(
            "{:.2} of a core in its busiest thread; objects written late: {}",
            self.own_core, self.publish_late
        );
        row(f, "this load", &own)?;
        if self.is_own_limit() {
            row(f, "", &"the load was the limit, not the relay: use more --threads or less load")?;
        }
        if self.failed > 0 {
            row(f, "failed", &format!("{}: {}", self.failed, self.failures.join("; ")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_at_its_own_limit_says_so() {
        let report = |own_core| Report { own_core, ..Report::default() }.to_string();
        assert!(report(0.95).contains("the load was the limit"));
        assert!(!report(0.5).contains("the load was the limit"));
    }

    #[test]
    fn costs_are_per_object_and_per_viewer() {
        let load = Load {
            drafts: Vec::new(),
            publishers: 1,
            tracks: 1,
            viewers: 8,
            tracks_per_viewer: 1,
            object_bytes: 1000,
            rate: 50.0,
            group_objects: 50,
            datagrams: false,
            slow_viewers: 2,
            joins_per_second: 0.0,
            threads: 1,
            warmup: Duration::ZERO,
            duration: Duration::from_secs(2),
            setup: Duration::from_secs(1),
        };
        let meter = Meter { objects: 1000, bytes: 1_000_000, ..Meter::default() };
        let threads = [Duration::from_millis(18), Duration::from_millis(2), Duration::ZERO];
        let cost = Cost {
            measured: Duration::from_secs(2),
            empty_bytes: Some(1_000_000),
            idle_bytes: Some(1_200_000),
            active_bytes: Some(1_500_000),
            ..Cost::default()
        };
        let cost = relay_cost(&load, &meter, &threads, &cost);
        assert!((cost.cpu_us_per_object - 20.0).abs() < 1e-9);
        assert!((cost.cpu_s_per_gigabyte - 20.0).abs() < 1e-9);
        assert_eq!(cost.cores, [0.009, 0.001]);
        assert!((cost.bytes_per_idle_viewer - 20_000.0).abs() < 1e-9);
        assert!((cost.bytes_per_active_viewer - 50_000.0).abs() < 1e-9);
    }
}
