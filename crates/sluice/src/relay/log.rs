//! What the operator reads: one line for each thing worth knowing.

use sluice_core::{Notice, PeerName};
use sluice_proto::session::SessionEnd;
use sluice_proto::wire::Place;

use super::quiet::QUIET_AFTER;

/// Writes a notice to the log.
pub fn write(notice: &Notice) {
    match notice {
        Notice::SessionReady { session, implementation } => {
            let implementation = implementation.as_deref().unwrap_or("unnamed");
            tracing::info!(%session, implementation, "session ready");
        }
        Notice::SessionClosed { peer, end } => session_closed(peer, end),
        Notice::PeerFault { peer, violation, place, last } => {
            let (message, field) = texts(place);
            tracing::warn!(
                session = %peer.session,
                remote = %peer.remote,
                reach = ?violation.reach(),
                moqt_message = message,
                field,
                section = violation.section(),
                "the peer broke a rule: {violation}{}",
                if *last { "; further faults of this session are not logged" } else { "" }
            );
        }
        Notice::Unpublished { peer, track, waits } => tracing::warn!(
            session = %peer.session,
            remote = %peer.remote,
            %track,
            "{}",
            match waits {
                Some(wait) => format!(
                    "nobody publishes this track: the viewer waits for at most {} s",
                    wait.as_secs()
                ),
                None => "nobody publishes this track: the viewer was told so".to_owned(),
            }
        ),
        Notice::OriginIsThisRelay { origin } => tracing::warn!(
            origin = origin.0,
            "an origin is this very relay: take its entry out of the origins file"
        ),
        Notice::OriginMoves { origin, uri } => {
            tracing::info!(
                origin = origin.0,
                ?uri,
                "an origin is going away and names another address"
            );
        }
        Notice::TrackStarted { track } => tracing::info!(%track, "track started"),
        Notice::TrackEnded { track, reason } => tracing::info!(%track, reason, "track ended"),
        Notice::MalformedTrack { peer, track, reason } => tracing::warn!(
            session = %peer.session,
            remote = %peer.remote,
            %track,
            section = "MOQT-18 §2.4.2",
            "malformed track: {reason}"
        ),
        Notice::ViewerBehind { session, track, undelivered_bytes } => {
            tracing::info!(%session, %track, undelivered_bytes, "slow viewer moved on");
        }
        Notice::ShardLost { shard, end } => {
            tracing::error!(%shard, ?end, "the link to another worker broke: please report this");
        }
        Notice::GroupsExpired { groups } => {
            tracing::debug!(groups, "groups past their age given up")
        }
        Notice::MemoryReclaimed { groups, freed_bytes } => {
            tracing::info!(groups, freed_bytes, "oldest groups given up for memory");
        }
    }
}

/// A session has asked for nothing for a while.
pub fn quiet(peer: &PeerName) {
    tracing::warn!(
        session = %peer.session,
        remote = %peer.remote,
        "connected {} s ago and has asked for nothing: a publisher has to send \
         PUBLISH_NAMESPACE or PUBLISH, a viewer SUBSCRIBE",
        QUIET_AFTER.as_secs()
    );
}

fn session_closed(peer: &PeerName, end: &SessionEnd) {
    let PeerName { session, remote } = peer;
    match end {
        SessionEnd::Violation { code, violation, place } => {
            let (message, field) = texts(place);
            tracing::warn!(
                %session,
                %remote,
                ?code,
                moqt_message = message,
                field,
                section = violation.section(),
                "session closed, the peer broke a rule: {violation}"
            );
        }
        SessionEnd::Peer { wire_code, reason, .. } => {
            tracing::info!(%session, %remote, code = wire_code, reason, "session closed by the peer");
        }
        SessionEnd::Local { code, reason } => {
            tracing::info!(%session, %remote, ?code, reason, "session closed");
        }
        SessionEnd::Lost(reason) => tracing::info!(%session, %remote, reason, "session lost"),
    }
}

fn texts(place: &Place) -> (String, String) {
    let message = place.message.map_or_else(|| "unknown".to_owned(), |m| m.to_string());
    let field = place.field.map_or_else(|| "whole".to_owned(), |field| field.to_string());
    (message, field)
}
