//! What shards say to each other.

use crate::link::Frame;
use crate::origin::{OriginId, OriginNews};

/// A message from one shard to another: everything that one turn has for it.
///
/// Messages of a pair of shards must arrive in order and none may be lost; among three nothing is
/// assumed, and any may take as long as it likes. Objects travel within
/// [`Limits::shard_credit_bytes`](crate::Limits::shard_credit_bytes) for each pair, scope and
/// direction. Control messages do not wait for credit: they describe entries of tables, and what
/// bounds the tables bounds them.
#[derive(Debug)]
pub struct ShardMessage {
    pub(super) items: Vec<Item>,
}

/// Names a link of a pair of shards; the lower shard counts them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct LinkId(pub u32);

#[derive(Debug)]
pub(super) enum Item {
    /// To the lower shard: a link for this scope is needed.
    Want((String, String)),
    /// From the lower shard: a link for this scope.
    Open(LinkId, (String, String)),
    Frame(LinkId, Frame),
    /// From the shard that has the sessions to origins.
    Origin(OriginId, OriginNews),
}
