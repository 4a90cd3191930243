//! What MOQT talks about, independent of any draft's bytes.
//!
//! Meanings are the newest draft's: ends are inclusive, a namespace interest says what it wants,
//! codes are names. `wire` translates each draft to and from these types, and everything above
//! `wire` uses nothing else.

pub mod code;
pub mod filter;
pub mod id;
pub mod message;
pub mod name;
pub mod object;
pub mod property;
pub mod token;

pub use code::{DoneCode, RequestCode, ResetCode, SessionCode};
pub use filter::{Fill, LocationFilter, RangeEnd, RangeFilter, RangeFilterKind, RangeFilters};
pub use id::{GroupId, Location, ObjectId, Priority, RequestId, SubgroupId, TrackAlias};
pub use message::{
    Fetch, FetchOk, FetchRange, Goaway, GroupOrder, Interest, JoiningStart, Publish, PublishDone,
    PublishNamespace, PublishOk, Redirect, Request, RequestError, RequestKind, RequestOk,
    RequestUpdate, SetupOptions, StateNotify, StreamCount, Subscribe, SubscribeNamespace,
    SubscribeOk, TrackStatus,
};
pub use name::{FullTrackName, NameError, TrackName, TrackNamespace};
pub use object::{
    DatagramHead, Delivery, FetchHead, FetchItem, FetchedObject, ObjectHead, ObjectStatus,
    ObjectStreamHead, RangeMark, SendOrder, SubgroupHead, SubgroupIdField,
};
pub use property::{
    MalformedProperties, Properties, PropertyEncoding, PropertyError, PropertyValue,
    TrackProperties, TrackPropertyError, TrackSettings,
};
pub use token::Token;
