//! The one number that bounds the process, and what follows from it.
//!
//! ```text
//! memory_max = program + store + tables + publisher windows + origins × window
//!              + connections × (receive window + send buffer + datagrams + state)
//! ```

use std::fmt;

use anyhow::{Context, Result, bail};

use crate::settings::{ByteSize, RelaySettings};

/// The program itself: code, threads, socket and TLS buffers, half-open handshakes.
pub const PROGRAM_BYTES: u64 = 32 << 20;
/// A connection without buffers: QUIC, TLS, WebTransport and an idle session.
const CONNECTION_STATE_BYTES: u64 = 64 << 10;
/// Datagrams of one connection that wait to be read.
pub const DATAGRAM_RECEIVE_BYTES: usize = 64 << 10;
/// Datagrams of one connection that wait to be sent.
pub const DATAGRAM_SEND_BYTES: usize = 32 << 10;
/// What may be in flight from one origin.
pub const ORIGIN_WINDOW_BYTES: u64 = 4 << 20;
/// Least that a relay can do something useful with.
const MEMORY_MIN: u64 = PROGRAM_BYTES + USABLE_MIN;
const USABLE_MIN: u64 = 32 << 20;

/// What each part may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemoryPlan {
    /// All of it.
    pub total_bytes: u64,
    /// Stored objects, as the store counts them.
    pub store_bytes: u64,
    /// Requests, streams and unread messages of all sessions.
    pub tables_bytes: u64,
    /// Sessions with a publisher's window.
    pub publisher_windows: u64,
    /// What those windows take more than the small ones.
    pub windows_bytes: u64,
    /// Connections at once.
    pub connections: u64,
    /// What one of them takes.
    pub connection_bytes: u64,
}

impl MemoryPlan {
    /// Half for the store, an eighth for tables, a sixteenth for publishers' windows, the rest
    /// for connections; what connections cannot use goes to the store.
    pub fn of(settings: &RelaySettings, origins: usize) -> Result<MemoryPlan> {
        let total = settings.memory_max.0;
        if total < MEMORY_MIN {
            bail!(
                "--memory-max {}: expected at least {}, of which the program itself takes {}",
                show(total),
                show(MEMORY_MIN),
                show(PROGRAM_BYTES)
            );
        }
        let usable = (total - PROGRAM_BYTES)
            .checked_sub(
                links_bytes(settings) + origins as u64 * with_fragments(ORIGIN_WINDOW_BYTES),
            )
            .filter(|usable| *usable >= USABLE_MIN)
            .with_context(|| {
                let workers = settings.workers;
                let what = format!("{workers} workers and {origins} origins");
                format!("--memory-max {} has no room for {what}", show(total))
            })?;
        let small = with_fragments(settings.receive_window.0);
        let datagrams = (DATAGRAM_RECEIVE_BYTES + DATAGRAM_SEND_BYTES) as u64;
        let connection_bytes =
            CONNECTION_STATE_BYTES + small + settings.send_buffer_max.0 + datagrams;
        let tables_bytes = usable / 8;
        let wider = with_fragments(settings.publisher_window.0).saturating_sub(small);
        let publisher_windows = (usable / 16).checked_div(wider).unwrap_or(u64::MAX);
        let windows_bytes = publisher_windows.saturating_mul(wider).min(usable / 16);
        let fit = usable * 5 / 16 / connection_bytes;
        let connections = fit.min(settings.connections_max as u64);
        if connections == 0 {
            bail!(
                "--memory-max {} has no room for a connection of {}: lower --receive-window or \
                 --send-buffer-max",
                show(total),
                show(connection_bytes)
            );
        }
        let rest = usable - tables_bytes - windows_bytes - connections * connection_bytes;
        Ok(MemoryPlan {
            total_bytes: total,
            // What the store counts falls short of what the process holds by at most a tenth.
            store_bytes: rest / 11 * 10,
            tables_bytes,
            publisher_windows,
            windows_bytes,
            connections,
            connection_bytes,
        })
    }
}

/// What workers have under way to each other.
fn links_bytes(settings: &RelaySettings) -> u64 {
    let workers = settings.workers.max(1) as u64;
    let credit = sluice_core::Limits::default().shard_credit_bytes as u64;
    workers * (workers - 1) * credit
}

/// Out-of-order pieces cost up to a quarter more than the bytes that they carry.
fn with_fragments(window: u64) -> u64 {
    window + window / 4
}

impl fmt::Display for MemoryPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "memory at most {}: program {}, store {}, {} connections of {}, tables {}, {} publisher \
             windows {}",
            show(self.total_bytes),
            show(PROGRAM_BYTES),
            show(self.store_bytes),
            self.connections,
            show(self.connection_bytes),
            show(self.tables_bytes),
            self.publisher_windows,
            show(self.windows_bytes),
        )
    }
}

/// For people: whole KiB or MiB.
fn show(bytes: u64) -> String {
    use crate::settings::SettingValue;
    let unit = if bytes >= 10 << 20 { 1 << 20 } else { 1 << 10 };
    ByteSize(bytes / unit * unit).show()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(change: impl FnOnce(&mut RelaySettings)) -> Result<MemoryPlan> {
        let mut settings = RelaySettings::default();
        change(&mut settings);
        MemoryPlan::of(&settings, 0)
    }

    #[test]
    fn the_parts_never_add_up_to_more_than_the_number() {
        for mib in [64, 100, 512, 1024, 1 << 20] {
            for connections in [1, 100, 1_000_000] {
                let plan = plan(|settings| {
                    settings.memory_max = ByteSize(mib << 20);
                    settings.connections_max = connections;
                })
                .unwrap();
                let sum = PROGRAM_BYTES
                    + plan.store_bytes * 11 / 10
                    + plan.tables_bytes
                    + plan.windows_bytes
                    + plan.connections * plan.connection_bytes;
                assert!(sum <= mib << 20, "{plan}");
                assert!(plan.store_bytes >= (mib << 20) / 5, "{plan}");
            }
        }
    }

    #[test]
    fn what_connections_cannot_use_goes_to_the_store() {
        let few = plan(|settings| settings.connections_max = 10).unwrap();
        let many = plan(|settings| settings.connections_max = 1_000_000).unwrap();
        assert!(few.store_bytes > many.store_bytes);
    }

    #[test]
    fn a_number_that_is_too_small_says_what_is_needed() {
        let error = plan(|settings| settings.memory_max = ByteSize(1 << 20)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--memory-max 1MiB: expected at least 64MiB, of which the program itself takes 32MiB"
        );
    }
}
