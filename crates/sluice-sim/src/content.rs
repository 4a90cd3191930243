//! What scripted publishers publish. Everything about an object follows from its track and
//! location, so any number of publishers of one track agree, and a viewer's copy can be checked.

use std::ops::Range;

use bytes::Bytes;
use sluice_proto::model::{
    FullTrackName, GroupId, Location, ObjectId, Priority, PropertyValue, SubgroupId,
};

use crate::rng::Rng;

/// The bytes of an object of this track.
pub fn payload(track: &FullTrackName, location: Location, bytes: usize) -> Bytes {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for byte in track.to_string().bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
    }
    let mut rng = Rng::new(hash ^ location.group.0.rotate_left(32) ^ location.object.0);
    let mut payload = Vec::with_capacity(bytes + 8);
    while payload.len() < bytes {
        payload.extend_from_slice(&rng.next_u64().to_le_bytes());
    }
    payload.truncate(bytes);
    payload.into()
}

/// The properties of an object that has some: a number and bytes.
pub fn properties(location: Location) -> Vec<(u64, PropertyValue)> {
    let number = location.group.0 * 1000 + location.object.0;
    let text = format!("object {location}");
    vec![(0x1A0, PropertyValue::Int(number)), (0x1A1, PropertyValue::Bytes(text.into()))]
}

/// How many bytes an object has whose script does not say: a few, sometimes none.
fn default_bytes(location: Location) -> usize {
    let mut rng = Rng::new(location.group.0.rotate_left(32) ^ location.object.0 ^ 0x517E);
    if rng.chance(50) { 0 } else { rng.range(1..300) as usize }
}

/// What carries the objects of a [`Batch`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Carriage {
    /// The stream of this subgroup.
    Subgroup(SubgroupId),
    /// Datagrams.
    Datagrams,
}

/// What happens to the subgroup after a [`Batch`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum After {
    /// It stays open for another batch.
    Open,
    /// FIN: the subgroup is complete.
    Finish,
    /// The stream is reset.
    Reset,
}

/// Objects of one group that a publisher sends together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    pub(crate) group: GroupId,
    pub(crate) carriage: Carriage,
    pub(crate) objects: Vec<ObjectId>,
    pub(crate) bytes: Option<usize>,
    pub(crate) priority: Option<Priority>,
    pub(crate) end_of_group: bool,
    pub(crate) properties: bool,
    pub(crate) after: After,
    pub(crate) hold_after: Option<usize>,
}

/// A batch of this group: subgroup 0, no objects yet, finished after the last one.
pub fn group(id: u64) -> Batch {
    Batch {
        group: GroupId(id),
        carriage: Carriage::Subgroup(SubgroupId(0)),
        objects: Vec::new(),
        bytes: None,
        priority: None,
        end_of_group: false,
        properties: false,
        after: After::Finish,
        hold_after: None,
    }
}

impl Batch {
    /// Adds objects.
    pub fn objects(mut self, ids: Range<u64>) -> Self {
        self.objects.extend(ids.map(ObjectId));
        self
    }

    /// Adds one object.
    pub fn object(mut self, id: u64) -> Self {
        self.objects.push(ObjectId(id));
        self
    }

    /// On the stream of this subgroup.
    pub fn subgroup(mut self, id: u64) -> Self {
        self.carriage = Carriage::Subgroup(SubgroupId(id));
        self
    }

    /// As datagrams.
    pub fn datagrams(mut self) -> Self {
        self.carriage = Carriage::Datagrams;
        self
    }

    /// Payload bytes of each object.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// Publisher priority of the subgroup.
    pub fn priority(mut self, priority: u8) -> Self {
        self.priority = Some(Priority(priority));
        self
    }

    /// Objects carry properties that nobody on the way knows.
    pub fn properties(mut self) -> Self {
        self.properties = true;
        self
    }

    /// The last object is the group's last.
    pub fn end_of_group(mut self) -> Self {
        self.end_of_group = true;
        self
    }

    /// The subgroup goes on in another batch.
    pub fn open(mut self) -> Self {
        self.after = After::Open;
        self
    }

    /// The subgroup ends with FIN after the last object; so it does unless said otherwise.
    pub fn finish(mut self) -> Self {
        self.after = After::Finish;
        self
    }

    /// The publisher resets the stream after the last object.
    pub fn reset(mut self) -> Self {
        self.after = After::Reset;
        self
    }

    /// Of the last object only this many payload bytes are sent until
    /// [`Sim::resume`](crate::Sim::resume).
    pub fn hold_after(mut self, bytes: usize) -> Self {
        self.hold_after = Some(bytes);
        self
    }

    /// Where the batch's objects stand.
    pub(crate) fn locations(&self) -> impl Iterator<Item = Location> + '_ {
        self.objects.iter().map(|object| Location { group: self.group, object: *object })
    }

    pub(crate) fn bytes_of(&self, location: Location) -> usize {
        self.bytes.unwrap_or_else(|| default_bytes(location))
    }
}
