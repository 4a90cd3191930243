//! The result of a run, for people and for machines.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::load::{Load, Relay};
use crate::meter::{Crowd, Fetched, Meter, Times};
use crate::series::Sample;

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// What viewers besides the steady ones got.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Others {
    /// Objects in the measured time.
    pub objects: u64,
    /// Objects that never came, over the whole run; who would not read is not asked.
    pub lost: u64,
    /// That came twice.
    pub duplicates: u64,
    /// That a later one of their track had overtaken.
    pub reordered: u64,
    /// Streams that were reset.
    pub resets: u64,
    /// From when an object was due until it was there.
    pub latency: Percentiles,
}

impl Others {
    fn of(crowd: &Crowd) -> Others {
        Others {
            objects: crowd.objects,
            lost: crowd.lost,
            duplicates: crowd.duplicates,
            reordered: crowd.reordered,
            resets: crowd.resets,
            latency: Percentiles::of(&crowd.latency),
        }
    }
}

/// What fetch readers got.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fetches {
    /// Groups that were asked for and answered to the end, over the whole run.
    pub groups: u64,
    /// Objects that came and were the right ones.
    pub objects: u64,
    /// Objects that did not come, and groups with wrong ones.
    pub wrong: u64,
    /// From a request until the end of its answer.
    pub time: Percentiles,
}

/// What the relay used. Only with its process id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Memory with publishers alone.
    pub empty_bytes: u64,
    /// Memory with all viewers, before the first object.
    pub idle_bytes: u64,
    /// Memory in the end.
    pub resident_bytes: u64,
}

/// The result of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The relay's address.
    pub relay: String,
    /// The load in words.
    pub load: String,
    /// Seconds that were measured.
    pub seconds: f64,
    /// Objects that viewers got in them: who takes everything, and who comes and goes.
    pub objects: u64,
    /// Their payload.
    pub bytes: u64,
    /// Objects that should have come in them.
    pub objects_wanted: u64,
    /// Objects that never came, over the whole run. This and what follows is of viewers that
    /// take everything from beginning to end.
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
    /// From its SUBSCRIBE until it had all of an object.
    pub first_object: Percentiles,
    /// Viewers that came and left meanwhile.
    pub guests: Others,
    /// Viewers that hardly read.
    pub slow: Others,
    /// Viewers that stop each stream after its first object.
    pub stopping: Others,
    /// Fetch readers.
    pub fetches: Fetches,
    /// Second by second.
    pub series: Vec<Sample>,
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
        fetched: &Fetched,
        cost: Cost,
    ) -> Report {
        let seconds = cost.measured.as_secs_f64();
        let taken = (load.viewers * load.tracks_per_viewer) as f64;
        Report {
            relay: relay.target.to_string(),
            load: describe(load),
            seconds,
            objects: meter.steady.objects + meter.guests.objects,
            bytes: meter.steady.bytes + meter.guests.bytes,
            objects_wanted: if load.idle { 0 } else { (taken * load.rate * seconds) as u64 },
            lost: meter.steady.lost,
            duplicates: meter.steady.duplicates,
            reordered: meter.steady.reordered,
            resets: meter.steady.resets,
            latency: Percentiles::of(&meter.steady.latency),
            join: Percentiles::of(&meter.join),
            first_object: Percentiles::of(&meter.first_object),
            guests: Others::of(&meter.guests),
            slow: Others::of(&meter.slow),
            stopping: Others::of(&meter.stopping),
            fetches: Fetches {
                groups: fetched.groups,
                objects: fetched.objects,
                wrong: fetched.wrong,
                time: Percentiles::of(&fetched.time),
            },
            series: Vec::new(),
            cost: cost
                .threads
                .as_ref()
                .map(|threads| relay_cost(load, meter, fetched, threads, &cost)),
            publish_late: Percentiles::of(late),
            own_core: cost.own_busiest.as_secs_f64() / seconds,
            failed: 0,
            failures: Vec::new(),
        }
    }

    /// Whether everyone who read got everything.
    pub fn is_whole(&self) -> bool {
        [self.lost, self.guests.lost, self.fetches.wrong, self.failed as u64] == [0; 4]
    }

    /// Whether the figures say more of the load's limits than of the relay's.
    pub fn is_own_limit(&self) -> bool {
        self.own_core > BUSY
    }
}

fn relay_cost(
    load: &Load,
    meter: &Meter,
    fetched: &Fetched,
    threads: &[Duration],
    cost: &Cost,
) -> RelayCost {
    // What a relay delivers to slow ones costs it as much.
    let crowds = [&meter.steady, &meter.guests, &meter.slow, &meter.stopping];
    let objects = crowds.iter().map(|crowd| crowd.objects).sum::<u64>() + fetched.measured;
    let bytes = crowds.iter().map(|crowd| crowd.bytes).sum::<u64>()
        + fetched.measured * load.object_bytes as u64;
    let cpu: Duration = threads.iter().sum();
    let seconds = cost.measured.as_secs_f64();
    // JSON has no word for what is not known.
    let per = |value: f64, of: u64| if of == 0 { 0.0 } else { value / of as f64 };
    let viewers = (load.viewers + load.slow_viewers + load.stopping_viewers) as u64;
    let empty = cost.empty_bytes.unwrap_or_default();
    let added = |bytes: Option<u64>| bytes.unwrap_or_default().saturating_sub(empty) as f64;
    RelayCost {
        cpu_us_per_object: per(cpu.as_secs_f64() * 1e6, objects),
        cpu_s_per_gigabyte: per(cpu.as_secs_f64() * 1e9, bytes),
        cores: threads
            .iter()
            .map(|thread| thread.as_secs_f64() / seconds)
            .filter(|core| *core >= 0.001)
            .collect(),
        bytes_per_idle_viewer: per(added(cost.idle_bytes), viewers),
        bytes_per_active_viewer: per(added(cost.active_bytes), viewers),
        empty_bytes: empty,
        idle_bytes: cost.idle_bytes.unwrap_or_default(),
        resident_bytes: cost.active_bytes.unwrap_or_default(),
    }
}

fn describe(load: &Load) -> String {
    let Load { viewers, tracks_per_viewer, object_bytes, rate, slow_viewers, .. } = load;
    if load.idle {
        return format!(
            "{} tracks, {viewers} viewers of {tracks_per_viewer}, idle",
            load.tracks_total()
        );
    }
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
    if *slow_viewers > 0 && load.slow_bytes > 0 {
        text.push_str(&format!(" of {} B/s", load.slow_bytes));
    }
    if load.stopping_viewers > 0 {
        text.push_str(&format!(", {} that stop streams", load.stopping_viewers));
    }
    if load.joins_per_second > 0.0 {
        text.push_str(&format!(", {} joins/s", load.joins_per_second));
    }
    if load.fetch_readers > 0 {
        text.push_str(&format!(", {} fetch readers", load.fetch_readers));
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

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Others { objects, lost, duplicates, reordered, resets, latency } = self;
        write!(
            f,
            "{objects} objects, {lost} lost, {duplicates} twice, {reordered} out of order, \
             {resets} streams reset; {latency}"
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
            row(f, "  SUBSCRIBE", &format!("{} until the first object", self.first_object))?;
        }
        let others = [
            ("guests", &self.guests, self.join.count > 0),
            ("slow", &self.slow, self.load.contains("slow viewers")),
            ("stopping", &self.stopping, self.load.contains("that stop streams")),
        ];
        for (name, others, _) in others.iter().filter(|(_, _, are_there)| *are_there) {
            row(f, name, others)?;
        }
        if self.fetches.time.count > 0 || self.fetches.wrong > 0 {
            let Fetches { groups, objects, wrong, time } = &self.fetches;
            row(
                f,
                "fetches",
                &format!("{groups} groups, {objects} objects, {wrong} wrong; {time}"),
            )?;
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
            slow_bytes: 0,
            stopping_viewers: 0,
            fetch_readers: 0,
            idle: false,
            joins_per_second: 0.0,
            threads: 1,
            warmup: Duration::ZERO,
            duration: Duration::from_secs(2),
            setup: Duration::from_secs(1),
        };
        let steady = Crowd { objects: 900, bytes: 900_000, ..Crowd::default() };
        let slow = Crowd { objects: 100, bytes: 100_000, ..Crowd::default() };
        let meter = Meter { steady, slow, ..Meter::default() };
        let threads = [Duration::from_millis(18), Duration::from_millis(2), Duration::ZERO];
        let cost = Cost {
            measured: Duration::from_secs(2),
            empty_bytes: Some(1_000_000),
            idle_bytes: Some(1_200_000),
            active_bytes: Some(1_500_000),
            ..Cost::default()
        };
        let cost = relay_cost(&load, &meter, &Fetched::default(), &threads, &cost);
        assert!((cost.cpu_us_per_object - 20.0).abs() < 1e-9);
        assert!((cost.cpu_s_per_gigabyte - 20.0).abs() < 1e-9);
        assert_eq!(cost.cores, [0.009, 0.001]);
        assert!((cost.bytes_per_idle_viewer - 20_000.0).abs() < 1e-9);
        assert!((cost.bytes_per_active_viewer - 50_000.0).abs() < 1e-9);
    }
}
