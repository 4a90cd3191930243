//! What another process uses, as Linux tells it under `/proc`.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// What a process has used so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of each thread that is there, by its id.
    pub threads: Vec<(u32, Duration)>,
    /// Memory it occupies.
    pub resident_bytes: u64,
}

/// Reads what a process uses; nothing if it is not there or the system does not say.
pub fn usage(pid: u32) -> Option<Usage> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let status = fs::read_to_string(process.join("status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.split_whitespace().next()?.parse().ok()?;
    let mut threads = Vec::new();
    for entry in fs::read_dir(process.join("task")).ok()?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A thread may end while the others are read.
        let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
        let nanos = text.split_whitespace().next().and_then(|field| field.parse().ok());
        threads.extend(nanos.map(|nanos| (id, Duration::from_nanos(nanos))));
    }
    Some(Usage { threads, resident_bytes: kilobytes * 1024 })
}

impl Usage {
    /// CPU time of each thread since `before`, the busiest first. Threads that ended meanwhile are
    /// not among them.
    pub fn since(&self, before: &Usage) -> Vec<Duration> {
        let earlier = |id| before.threads.iter().find(|(of, _)| *of == id).map(|(_, time)| *time);
        let mut times: Vec<Duration> = self
            .threads
            .iter()
            .map(|(id, time)| time.saturating_sub(earlier(*id).unwrap_or_default()))
            .collect();
        times.sort_unstable_by(|a, b| b.cmp(a));
        times
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_time_and_memory() {
        let pid = std::process::id();
        let before = usage(pid).unwrap();
        let mut sum = 0u64;
        while usage(pid).unwrap().since(&before).iter().sum::<Duration>() < Duration::from_millis(1)
        {
            (0..100_000u64).for_each(|n| sum = std::hint::black_box(sum.wrapping_add(n)));
        }
        assert!(before.resident_bytes > 100_000);
    }

    #[test]
    fn a_process_that_is_not_there_uses_nothing() {
        assert_eq!(usage(u32::MAX), None);
    }
}
