//! What one subscription or fetch of a viewer received, checked against the ledger as it arrives.
//!
//! Checked at once, whatever the scenario: every byte is the published one; ids ascend within a
//! stream and none that was published is skipped; nothing comes twice; FIN means that the whole
//! rest of the subgroup came. What had to arrive at all is checked at the end (`invariant`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use bytes::Bytes;
use sluice_proto::model::{
    DatagramHead, Delivery, FetchItem, FetchedObject, FullTrackName, GroupId, GroupOrder, Location,
    ObjectHead, ObjectId, ObjectStatus, Properties, RangeMark, ResetCode, SubgroupHead, SubgroupId,
    SubgroupIdField,
};
use sluice_proto::transport::StreamId;

use crate::content::Carriage;
use crate::ledger::{Ledger, Published};

/// A broken promise, in words.
pub type Fault = String;

/// How a data stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamEnd {
    /// FIN.
    Finished,
    /// Reset.
    Reset(ResetCode),
}

/// One subgroup stream of a subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubgroupStream {
    /// Its header.
    pub head: SubgroupHead,
    /// The subgroup, once known.
    pub subgroup: Option<SubgroupId>,
    /// The objects that began, and how many bytes of each came.
    pub objects: Vec<(ObjectId, usize)>,
    /// How it ended.
    pub end: Option<StreamEnd>,
}

/// What a subscription received.
#[derive(Clone, Debug)]
pub struct Received {
    /// The track.
    pub track: FullTrackName,
    /// Streams in the order in which they were opened, by number.
    pub streams: BTreeMap<StreamId, SubgroupStream>,
    /// Objects that came whole, and when.
    pub complete: BTreeMap<Location, Instant>,
    /// Subgroups with a stream that was reset.
    pub reset: BTreeSet<(GroupId, SubgroupId)>,
}

impl Received {
    /// Nothing yet.
    pub fn new(track: FullTrackName) -> Self {
        Self { track, streams: BTreeMap::new(), complete: BTreeMap::new(), reset: BTreeSet::new() }
    }

    /// A subgroup stream began.
    pub fn open(&mut self, stream: StreamId, head: SubgroupHead) -> Result<(), Fault> {
        let subgroup = match head.subgroup {
            SubgroupIdField::Id(id) => Some(id),
            SubgroupIdField::FirstObject => None,
        };
        let group = head.group;
        let record = SubgroupStream { head, subgroup, objects: Vec::new(), end: None };
        match self.streams.insert(stream, record) {
            None => Ok(()),
            Some(_) => Err(format!("{}: stream of group {group} opened twice", self.track)),
        }
    }

    /// An object began.
    pub fn object(
        &mut self,
        stream: StreamId,
        head: &ObjectHead,
        ledger: &Ledger,
        now: Instant,
    ) -> Result<(), Fault> {
        let track = &self.track;
        let record = self.streams.get_mut(&stream).ok_or("object on an unknown stream")?;
        let location = Location { group: record.head.group, object: head.object };
        let at = format!("{track} {location}");
        let subgroup = *record.subgroup.get_or_insert(SubgroupId(head.object.0));
        let published = find(ledger, track, location)?;
        if published.carriage != Carriage::Subgroup(subgroup) {
            return Err(format!("{at}: came in subgroup {subgroup}, not {:?}", published.carriage));
        }
        if head.status != ObjectStatus::Normal {
            return Err(format!("{at}: came with status {:?}", head.status));
        }
        if head.payload_bytes != published.payload.len() as u64 {
            let len = published.payload.len();
            return Err(format!("{at}: announced {} bytes, has {len}", head.payload_bytes));
        }
        if record.head.priority.unwrap_or_default() != published.priority.unwrap_or_default() {
            return Err(format!("{at}: came with priority {:?}", record.head.priority));
        }
        same_properties(&head.properties, published).map_err(|fault| format!("{at}: {fault}"))?;
        let facts = ledger.track(track).and_then(|t| t.subgroups.get(&(location.group, subgroup)));
        let facts = facts.ok_or("object of an unknown subgroup")?;
        match record.objects.last() {
            Some(&(last, _)) if last >= head.object => {
                return Err(format!("{at}: came after object {last} on one stream"));
            }
            Some(&(last, bytes)) => {
                let last_location = Location { group: location.group, object: last };
                let whole = find(ledger, track, last_location)?.payload.len();
                if bytes != whole {
                    return Err(format!(
                        "{at}: object {last} before it has {bytes} of {whole} bytes"
                    ));
                }
                if let Some(id) = between(facts, last, head.object) {
                    return Err(format!("{at}: object {id} was skipped within the stream"));
                }
            }
            None if record.head.first_object && facts.first() != Some(&head.object) => {
                return Err(format!(
                    "{at}: stream says it begins with the subgroup's first object"
                ));
            }
            None => {}
        }
        record.objects.push((head.object, 0));
        if head.payload_bytes == 0 {
            self.completed(location, now)?;
        }
        Ok(())
    }

    /// Payload of the stream's last object.
    pub fn payload(
        &mut self,
        stream: StreamId,
        data: &Bytes,
        ledger: &Ledger,
        now: Instant,
    ) -> Result<(), Fault> {
        let record = self.streams.get_mut(&stream).ok_or("payload on an unknown stream")?;
        let (object, have) = record.objects.last_mut().ok_or("payload before any object")?;
        let location = Location { group: record.head.group, object: *object };
        let published = find(ledger, &self.track, location)?;
        compare(&published.payload, *have, data)
            .map_err(|fault| format!("{} {location}: {fault}", self.track))?;
        *have += data.len();
        if *have == published.payload.len() {
            self.completed(location, now)?;
        }
        Ok(())
    }

    /// The stream ended.
    pub fn ended(
        &mut self,
        stream: StreamId,
        end: StreamEnd,
        ledger: &Ledger,
    ) -> Result<(), Fault> {
        let track = &self.track;
        let record = self.streams.get_mut(&stream).ok_or("end of an unknown stream")?;
        if record.end.replace(end).is_some() {
            return Err(format!("{track}: a stream of group {} ended twice", record.head.group));
        }
        let Some(subgroup) = record.subgroup else { return Ok(()) };
        let key = (record.head.group, subgroup);
        if end != StreamEnd::Finished {
            self.reset.insert(key);
            return Ok(());
        }
        let facts = ledger.track(track);
        let objects =
            facts.and_then(|t| t.subgroups.get(&key)).ok_or("FIN of nothing published")?;
        if !facts.is_some_and(|t| t.finished.contains(&key)) {
            return Err(format!(
                "{track}: {}:{} was finished by nobody but came with FIN",
                key.0, key.1
            ));
        }
        let marked = facts.is_some_and(|t| t.ended_groups.contains(&key.0));
        if marked != record.head.end_of_group {
            return Err(format!(
                "{track}: {}:{} came whole, and its end of group is {}, not {marked}",
                key.0, key.1, record.head.end_of_group
            ));
        }
        let last = record.objects.last().map(|(object, _)| *object);
        if last != objects.last().copied() {
            return Err(format!(
                "{track}: FIN of {}:{} after object {last:?} of {objects:?}",
                key.0, key.1
            ));
        }
        Ok(())
    }

    /// An object in a datagram.
    pub fn datagram(
        &mut self,
        head: &DatagramHead,
        payload: &Bytes,
        ledger: &Ledger,
        now: Instant,
    ) -> Result<(), Fault> {
        let published = find(ledger, &self.track, head.location)?;
        let at = format!("{} {}", self.track, head.location);
        if published.carriage != Carriage::Datagrams {
            return Err(format!("{at}: came in a datagram, not in {:?}", published.carriage));
        }
        if *payload != published.payload {
            return Err(format!("{at}: the datagram holds other bytes than were published"));
        }
        if head.priority.unwrap_or_default() != published.priority.unwrap_or_default() {
            return Err(format!("{at}: came with priority {:?}", head.priority));
        }
        same_properties(&head.properties, published).map_err(|fault| format!("{at}: {fault}"))?;
        self.completed(head.location, now)
    }

    fn completed(&mut self, location: Location, now: Instant) -> Result<(), Fault> {
        match self.complete.insert(location, now) {
            None => Ok(()),
            Some(_) => Err(format!("{} {location}: came twice", self.track)),
        }
    }
}

/// What a fetch or fill received.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The track.
    pub track: FullTrackName,
    order: GroupOrder,
    /// Objects in the order in which they came, with the bytes that came of each.
    pub objects: Vec<(Location, usize)>,
    /// Ranges that the sender marked instead of serving.
    pub marks: Vec<(Location, RangeMark)>,
    last: Option<Location>,
    /// The stream, and its end.
    pub stream: Option<StreamId>,
    /// How the stream ended.
    pub end: Option<StreamEnd>,
}

impl Fetched {
    /// Nothing yet of a fetch in this order.
    pub fn new(track: FullTrackName, order: GroupOrder) -> Self {
        Self {
            track,
            order,
            objects: Vec::new(),
            marks: Vec::new(),
            last: None,
            stream: None,
            end: None,
        }
    }

    /// The data stream began.
    pub fn open(&mut self, stream: StreamId) -> Result<(), Fault> {
        match self.stream.replace(stream) {
            None => Ok(()),
            Some(_) => Err(format!("{}: a second stream answers one fetch", self.track)),
        }
    }

    /// The next item.
    pub fn item(&mut self, item: &FetchItem, ledger: &Ledger) -> Result<(), Fault> {
        let location = match item {
            FetchItem::Object(object) => object.location,
            FetchItem::EndOfRange(location, _) => *location,
        };
        if let Some(last) = self.last
            && !self.follows(last, location)
        {
            return Err(format!("{}: fetched {location} after {last}", self.track));
        }
        self.last = Some(location);
        if let Some(&(before, bytes)) = self.objects.last() {
            let whole = find(ledger, &self.track, before)?.payload.len();
            if bytes != whole {
                return Err(format!("{}: fetched {bytes} of {whole} of {before}", self.track));
            }
        }
        match item {
            FetchItem::Object(object) => self.object(object, ledger),
            FetchItem::EndOfRange(location, mark) => {
                self.marks.push((*location, *mark));
                Ok(())
            }
        }
    }

    fn object(&mut self, object: &FetchedObject, ledger: &Ledger) -> Result<(), Fault> {
        let location = object.location;
        let published = find(ledger, &self.track, location)?;
        let at = format!("{} {location} (fetched)", self.track);
        let unflagged = ledger.track(&self.track).is_some_and(|facts| facts.unflagged);
        let agrees = match (object.delivery, published.carriage) {
            (Delivery::Subgroup(came), Carriage::Subgroup(was)) => came == was,
            (Delivery::Unknown(came), Carriage::Subgroup(was)) => came == was,
            (Delivery::Datagram | Delivery::Unknown(_), Carriage::Datagrams) => true,
            (Delivery::Subgroup(came), Carriage::Datagrams) => {
                unflagged && came.0 == location.object.0
            }
            _ => false,
        };
        if !agrees {
            return Err(format!(
                "{at}: came as {:?}, not {:?}",
                object.delivery, published.carriage
            ));
        }
        if object.payload_bytes != published.payload.len() as u64 {
            let len = published.payload.len();
            return Err(format!("{at}: announced {} bytes, has {len}", object.payload_bytes));
        }
        if object.priority != published.priority.unwrap_or_default() {
            return Err(format!("{at}: came with priority {:?}", object.priority));
        }
        same_properties(&object.properties, published).map_err(|fault| format!("{at}: {fault}"))?;
        self.objects.push((location, 0));
        Ok(())
    }

    /// Payload of the last object.
    pub fn payload(&mut self, data: &Bytes, ledger: &Ledger) -> Result<(), Fault> {
        let (location, have) =
            self.objects.last_mut().ok_or("fetched payload before any object")?;
        let published = find(ledger, &self.track, *location)?;
        compare(&published.payload, *have, data)
            .map_err(|fault| format!("{} {location} (fetched): {fault}", self.track))?;
        *have += data.len();
        Ok(())
    }

    /// The stream ended.
    pub fn ended(&mut self, end: StreamEnd) -> Result<(), Fault> {
        match self.end.replace(end) {
            None => Ok(()),
            Some(_) => Err(format!("{}: a fetch stream ended twice", self.track)),
        }
    }

    fn follows(&self, last: Location, next: Location) -> bool {
        match self.order {
            GroupOrder::Ascending => next > last,
            GroupOrder::Descending => {
                next.group < last.group || next.group == last.group && next.object > last.object
            }
        }
    }
}

fn find<'a>(
    ledger: &'a Ledger,
    track: &FullTrackName,
    location: Location,
) -> Result<&'a Published, Fault> {
    let object = ledger.track(track).and_then(|facts| facts.objects.get(&location));
    object.ok_or_else(|| format!("{track} {location}: arrived but was never published"))
}

fn compare(published: &Bytes, have: usize, data: &Bytes) -> Result<(), Fault> {
    let expected = published.get(have..have + data.len());
    let expected = expected.ok_or("more payload than was published")?;
    if expected == &data[..] {
        Ok(())
    } else {
        Err(format!("bytes {have}..{} are not the published ones", have + data.len()))
    }
}

fn same_properties(came: &Properties, published: &Published) -> Result<(), Fault> {
    let came: Vec<_> = came.entries().collect();
    if came == published.properties {
        Ok(())
    } else {
        Err(format!("came with properties {came:?}, not {:?}", published.properties))
    }
}

/// A published object strictly between two others.
fn between(objects: &BTreeSet<ObjectId>, last: ObjectId, next: ObjectId) -> Option<ObjectId> {
    use std::ops::Bound::Excluded;
    objects.range((Excluded(last), Excluded(next))).next().copied()
}
