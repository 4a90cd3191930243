//! What distinguishes the data planes of drafts, as values.

/// The data plane of one draft.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataPlane {
    /// First type on a unidirectional stream that makes it a control stream.
    pub control_stream: Option<u64>,
    /// Whether streams and datagrams of padding exist.
    pub padding: bool,
    /// Whether a head may leave out its priority and so inherit the track's.
    pub inherited_priority: bool,
    /// Whether a subgroup head can say that the stream begins with the subgroup's first object.
    pub first_object: bool,
    /// Whether a status says that an object does not exist.
    pub absence_status: bool,
    /// Whether objects that end a group or track may have properties.
    pub end_properties: bool,
    /// Whether a datagram with a status can leave out object id 0.
    pub status_without_id: StatusWithoutId,
    /// Objects on fetch streams.
    pub fetch: FetchLayout,
}

/// What is done about datagrams that have a status and leave out their object id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatusWithoutId {
    /// They are an unknown type.
    Refused,
    /// They are read, but not sent: the draft contradicts itself about them.
    Read,
    /// They are read and sent.
    Used,
}

/// How objects stand on fetch streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FetchLayout {
    /// What precedes the fields.
    pub form: FetchForm,
    /// How group and object ids are written.
    pub ids: IdForm,
    /// Whether an object without payload has a status.
    pub status: bool,
    /// Records for ranges without objects.
    pub marks: Option<MarkLayout>,
}

/// What precedes the fields of a fetched object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FetchForm {
    /// Nothing: every field is there.
    AllFields,
    /// A byte of flags.
    FlagByte,
    /// An integer of flags, of which one tells objects from datagrams.
    FlagInteger,
}

/// How ids on a fetch stream are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdForm {
    /// As they are.
    Absolute,
    /// As differences to the record before, groups in the order of the fetch.
    Delta,
}

/// Records for ranges without objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarkLayout {
    /// Whether a range can have timed out.
    pub timed_out: bool,
    /// How the draft is read until a peer shows otherwise.
    pub reading: MarkReading,
}

/// How a peer understands the records for ranges without objects. The drafts leave both points
/// open and implementations differ, so a session remembers this of its peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarkReading {
    /// How the two ids of such a record are written.
    pub ids: IdForm,
    /// Whether a payload length, always 0, follows them.
    pub length: bool,
}
