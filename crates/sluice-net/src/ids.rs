//! Connection ids that carry the index of the shard they belong to.
//!
//! An id is 8 bytes: a random mask, the shard's index XOR the mask, 6 random bytes. A socket
//! filter can compute the shard with two loads and one XOR, an observer without the other
//! end's traffic sees random bytes.

use std::time::Duration;

use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};
use ring::hmac;

/// Length in bytes of the connection ids that we choose.
pub const CONNECTION_ID_BYTES: usize = 8;

/// The shard that a datagram belongs to, read from its destination connection id.
///
/// `None` for a datagram that holds none of our length. A client chooses the id of its first flight,
/// so that such a datagram may name any shard, and one that does not exist; it may go to any. But the
/// first flight of a server that we dialed carries an id of ours, and looks the same.
pub fn shard_of(datagram: &[u8]) -> Option<u8> {
    const LONG_HEADER: u8 = 0x80;
    const LONG_ID_AT: usize = 6;
    let first = *datagram.first()?;
    let id = if first & LONG_HEADER == 0 {
        datagram.get(1..1 + CONNECTION_ID_BYTES)?
    } else {
        if usize::from(*datagram.get(5)?) != CONNECTION_ID_BYTES {
            return None;
        }
        datagram.get(LONG_ID_AT..LONG_ID_AT + CONNECTION_ID_BYTES)?
    };
    Some(id[0] ^ id[1])
}

/// A stream of pseudo-random bytes from a seed, for ids that need to be unpredictable.
pub(crate) struct SeededBytes {
    key: hmac::Key,
    counter: u64,
}

impl SeededBytes {
    pub(crate) fn new(seed: &[u8; 32], purpose: &str) -> SeededBytes {
        let derived = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, seed), purpose.as_bytes());
        SeededBytes { key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()), counter: 0 }
    }

    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let block = hmac::sign(&self.key, &self.counter.to_be_bytes());
            self.counter += 1;
            chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
        }
    }
}

/// Makes the ids of one shard.
pub(crate) struct ShardIds {
    shard: u8,
    bytes: SeededBytes,
}

impl ShardIds {
    pub(crate) fn new(shard: u8, seed: &[u8; 32]) -> ShardIds {
        ShardIds { shard, bytes: SeededBytes::new(seed, "connection ids") }
    }
}

impl ConnectionIdGenerator for ShardIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; CONNECTION_ID_BYTES];
        self.bytes.fill(&mut id);
        id[1] = id[0] ^ self.shard;
        ConnectionId::new(&id)
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        match id[..] {
            [mask, masked, ..] if mask ^ masked == self.shard => Ok(()),
            _ => Err(InvalidCid),
        }
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_header_names_the_shard_that_made_its_id() {
        let mut ids = ShardIds::new(5, &[7; 32]);
        let id = ids.generate_cid();
        let mut datagram = vec![0x40];
        datagram.extend_from_slice(&id);
        datagram.extend_from_slice(&[0; 20]);
        assert_eq!(shard_of(&datagram), Some(5));
    }

    #[test]
    fn the_first_flight_of_a_server_names_the_shard_that_dialed_it() {
        let mut ids = ShardIds::new(5, &[7; 32]);
        let mut datagram = vec![0xc3, 0, 0, 0, 1, 8];
        datagram.extend_from_slice(&ids.generate_cid());
        assert_eq!(shard_of(&datagram), Some(5));
    }

    #[test]
    fn an_id_of_another_length_names_no_shard() {
        let datagram = [0xc3, 0, 0, 0, 1, 4, 1, 2, 3, 4, 5, 6, 7, 8, 0];
        assert_eq!(shard_of(&datagram), None);
        assert_eq!(shard_of(&[]), None);
        assert_eq!(shard_of(&[0x40, 1]), None);
    }

    #[test]
    fn the_same_seed_makes_the_same_ids() {
        let ids = |seed| {
            let mut ids = ShardIds::new(0, &[seed; 32]);
            [ids.generate_cid(), ids.generate_cid()]
        };
        assert_eq!(ids(1), ids(1));
        assert_ne!(ids(1), ids(2));
        assert_ne!(ids(1)[0], ids(1)[1]);
    }
}
