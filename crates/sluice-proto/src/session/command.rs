//! How a command can fail: the owner's affair, never told to the peer.

use crate::model::RequestId;
use crate::transport::DatagramError;
use crate::wire::Inexpressible;

/// Why a command was not carried out. The session is as before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommandError {
    /// The session is over.
    #[error("the session is over")]
    Closed,
    /// The peer's draft is not known yet; wait for [`Ready`](super::SessionEvent::Ready).
    #[error("the peer's draft is not known yet")]
    NotReady,
    /// There is no such open request, or it is over by the peer's will.
    #[error("request {0} is not open")]
    NotOpen(RequestId),
    /// The request is of a kind that this command does not concern.
    #[error("request {0} is of another kind")]
    WrongKind(RequestId),
    /// The peer's draft has no bytes for it. Resolve it, or do without.
    #[error(transparent)]
    Inexpressible(#[from] Inexpressible),
    /// The peer's draft lets an update only narrow a subscription.
    #[error("the draft lets an update only narrow a subscription")]
    Widens,
    /// As many requests as allowed wait for the peer's credit.
    #[error("{0} requests wait for the peer's credit already")]
    TooManyWaiting(usize),
    /// The update needs a request id, and the peer's credit for them is used up. Try again later.
    #[error("an update has to wait for the peer's credit")]
    NoCredit,
}

/// Why a datagram was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SendDatagramError {
    /// The session does not allow it.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// The transport did not take it.
    #[error(transparent)]
    Transport(#[from] DatagramError),
}
