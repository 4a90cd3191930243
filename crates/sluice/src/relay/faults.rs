//! What went wrong lately, for people who look at the dashboard: the log has the same for good.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use sluice_core::{Notice, PeerName};
use sluice_proto::model::SessionCode;
use sluice_proto::session::SessionEnd;

/// Faults that are kept; the oldest are forgotten.
const FAULTS_MAX: usize = 256;

/// One thing that went wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Counts up from 1.
    pub number: u64,
    pub at: SystemTime,
    /// What it was, in a few words.
    pub kind: &'static str,
    /// Who: a session of a worker, and its peer's address.
    pub peer: Option<(usize, PeerName)>,
    pub track: Option<String>,
    pub reason: String,
    /// Of the draft.
    pub section: Option<&'static str>,
}

impl Fault {
    /// Milliseconds since 1970.
    pub fn at_unix_ms(&self) -> u64 {
        let since = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// The latest faults of all workers.
#[derive(Clone, Default)]
pub struct FaultBoard(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    total: u64,
    latest: VecDeque<Fault>,
}

impl FaultBoard {
    /// Keeps what a worker tells, if something went wrong.
    pub fn note(&self, worker: usize, notice: &Notice, at: SystemTime) {
        let Some((kind, peer, track, reason, section)) = facts(notice) else { return };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.total += 1;
        if kept.latest.len() == FAULTS_MAX {
            kept.latest.pop_front();
        }
        let (number, peer) = (kept.total, peer.map(|peer| (worker, peer)));
        kept.latest.push_back(Fault { number, at, kind, peer, track, reason, section });
    }

    /// Those after a number, oldest first, at most the newest `max` of them.
    pub fn after(&self, number: u64, max: usize) -> Vec<Fault> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = kept.latest.iter().rev().take_while(|fault| fault.number > number);
        let mut found: Vec<Fault> = newer.take(max).cloned().collect();
        found.reverse();
        found
    }

    /// How many there were since the start.
    pub fn total(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).total
    }
}

type Facts = (&'static str, Option<PeerName>, Option<String>, String, Option<&'static str>);

fn facts(notice: &Notice) -> Option<Facts> {
    Some(match notice {
        Notice::PeerFault { peer, violation, .. } => {
            ("broke a rule", Some(*peer), None, violation.to_string(), Some(violation.section()))
        }
        Notice::SessionClosed { peer, end } => return session_closed(peer, end),
        Notice::Unpublished { peer, track, waits } => {
            let reason = match waits {
                Some(wait) => format!("nobody publishes it: waits at most {} s", wait.as_secs()),
                None => "nobody publishes it".to_owned(),
            };
            ("not published", Some(*peer), Some(track.to_string()), reason, None)
        }
        Notice::MalformedTrack { peer, track, reason } => {
            let section = Some("MOQT-18 §2.4.2");
            ("malformed track", Some(*peer), Some(track.to_string()), reason.clone(), section)
        }
        Notice::ViewerBehind { track, undelivered_bytes, .. } => {
            let reason = format!("moved on, {undelivered_bytes} bytes left out");
            ("slow viewer", None, Some(track.to_string()), reason, None)
        }
        Notice::ShardLost { shard, end } => {
            ("worker lost", None, None, format!("worker {}: {end:?}", shard.0), None)
        }
        Notice::OriginIsThisRelay { .. } => {
            ("origin", None, None, "an origin is this very relay".to_owned(), None)
        }
        Notice::SessionReady { .. }
        | Notice::OriginMoves { .. }
        | Notice::TrackStarted { .. }
        | Notice::TrackEnded { .. }
        | Notice::GroupsExpired { .. }
        | Notice::MemoryReclaimed { .. } => return None,
    })
}

/// A session that ended as sessions do is no fault.
fn session_closed(peer: &PeerName, end: &SessionEnd) -> Option<Facts> {
    let (kind, reason, section) = match end {
        SessionEnd::Violation { violation, .. } => {
            ("session closed", violation.to_string(), Some(violation.section()))
        }
        SessionEnd::Peer { wire_code, reason, .. } if *wire_code != 0 => {
            ("closed by the peer", format!("code {wire_code:#x} {reason}"), None)
        }
        SessionEnd::Local { code, reason } if *code != SessionCode::NoError => {
            ("session closed", reason.clone(), None)
        }
        SessionEnd::Lost(reason) => ("session lost", reason.clone(), None),
        SessionEnd::Peer { .. } | SessionEnd::Local { .. } => return None,
    };
    Some((kind, Some(*peer), None, reason, section))
}
