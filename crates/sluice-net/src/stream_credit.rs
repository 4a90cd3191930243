//! Streams that a peer may have open at once: what the owner allows, granted as it is used.
//!
//! The library keeps two table entries for every stream that a peer *may* open, used or not. Most
//! peers use a handful, so a grant begins small, and doubles when half of it is in use.

use quinn_proto::{Connection, Dir, VarInt};

/// Streams of each direction that are granted before any is in use.
const FIRST_UNI: u32 = 128;
const FIRST_BIDI: u32 = 64;

/// The two directions' grants.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamCredit {
    uni: Grant,
    bidi: Grant,
}

#[derive(Clone, Copy, Debug, Default)]
struct Grant {
    granted: u32,
    allowed: u32,
}

impl Grant {
    fn allow(&mut self, allowed: u32, first: u32) {
        self.allowed = allowed;
        self.granted = self.near(self.granted.max(first));
    }

    /// So many, or all that are allowed if that is not many more: the library does not tell a
    /// peer of a few.
    fn near(&self, count: u32) -> u32 {
        if count.saturating_add(count / 2) >= self.allowed { self.allowed } else { count }
    }
}

impl StreamCredit {
    /// Allows so many from now on.
    pub(crate) fn allow(&mut self, quic: &mut Connection, uni: u32, bidi: u32) {
        self.uni.allow(uni, FIRST_UNI);
        self.bidi.allow(bidi, FIRST_BIDI);
        for dir in [Dir::Uni, Dir::Bi] {
            quic.set_max_concurrent_streams(dir, VarInt::from_u32(self.grant(dir).granted));
            self.widen(quic, dir);
        }
    }

    /// The peer opened streams: grants more if it may need them soon.
    pub(crate) fn widen(&mut self, quic: &mut Connection, dir: Dir) {
        let open = quic.streams().remote_open_streams(dir);
        let grant = self.grant(dir);
        let before = grant.granted;
        while grant.granted < grant.allowed && open >= u64::from(grant.granted / 2) {
            grant.granted = grant.near(grant.granted.saturating_mul(2).max(1));
        }
        let granted = grant.granted;
        if granted > before {
            quic.set_max_concurrent_streams(dir, VarInt::from_u32(granted));
        }
    }

    fn grant(&mut self, dir: Dir) -> &mut Grant {
        match dir {
            Dir::Uni => &mut self.uni,
            Dir::Bi => &mut self.bidi,
        }
    }
}
