//! Unidirectional data streams.

use bytes::{Bytes, BytesMut};
use sluice_proto::model::{
    FetchHead, FetchItem, GroupOrder, ObjectHead, Priority, Properties, SubgroupHead,
};
use sluice_proto::wire::data::{
    FetchDecoder, FetchEncoder, HEAD_BYTES_MAX, MarkReading, SubgroupDecoder, UniHead,
};
use sluice_proto::wire::{Dialect, Violation};

use crate::input::{Input, dialects};

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let dialect = input.dialect();
    let choice = input.byte();
    let order = match choice & 1 {
        0 => GroupOrder::Ascending,
        _ => GroupOrder::Descending,
    };
    let bytes = input.rest();
    let whole = read(dialect, order, None, &mut std::iter::once(bytes));
    let pieces = read(dialect, order, None, &mut pieces(bytes, choice));
    assert_eq!(whole, pieces, "pieces make a difference");
    match &whole.head {
        Some(UniHead::Subgroup(head)) => {
            check_subgroup(dialect, head, &whole.objects);
            for other in dialects() {
                check_bridged_subgroup(other, head, &whole.objects);
            }
        }
        Some(UniHead::Fetch(head)) => {
            check_fetch(dialect, order, head, &whole);
            for other in dialects() {
                check_bridged_fetch(other, order, head, &whole.items);
            }
        }
        Some(UniHead::Object(_)) => unreachable!("no draft of these has it"),
        Some(UniHead::Control | UniHead::Padding) | None => {}
    }
}

/// Everything a stream showed.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    head: Option<UniHead>,
    objects: Vec<(ObjectHead, Bytes)>,
    items: Vec<(FetchItem, Bytes)>,
    reading: Option<MarkReading>,
    fault: Option<Violation>,
}

/// Cuts `bytes` into pieces of lengths that `choice` decides.
fn pieces(bytes: &[u8], choice: u8) -> impl Iterator<Item = &[u8]> {
    let mut state = usize::from(choice) | 1;
    let mut rest = bytes;
    std::iter::from_fn(move || {
        state = state.wrapping_mul(31).wrapping_add(7);
        let size = (state % 9).min(rest.len());
        let (piece, after) = rest.split_at(size);
        rest = after;
        (!piece.is_empty() || !rest.is_empty()).then_some(piece)
    })
}

/// Reads a stream that comes in pieces and ends with FIN.
fn read(
    dialect: &'static Dialect,
    order: GroupOrder,
    reading: Option<MarkReading>,
    pieces: &mut dyn Iterator<Item = &[u8]>,
) -> Seen {
    let mut source = Source { pieces, kept: Bytes::new(), ended: false };
    let mut seen = Seen::default();
    if let Err(fault) = read_into(dialect, order, reading, &mut source, &mut seen) {
        seen.fault = Some(fault);
    }
    seen
}

/// Bytes as they arrive, those not read yet in one piece.
struct Source<'a, 'b> {
    pieces: &'b mut dyn Iterator<Item = &'a [u8]>,
    kept: Bytes,
    ended: bool,
}

impl Source<'_, '_> {
    /// Waits for more; false at FIN.
    fn more(&mut self) -> bool {
        let Some(piece) = self.pieces.next() else {
            self.ended = true;
            return false;
        };
        assert!(self.kept.len() < HEAD_BYTES_MAX, "more is kept than was promised");
        let mut joined = BytesMut::from(&self.kept[..]);
        joined.extend_from_slice(piece);
        self.kept = joined.freeze();
        true
    }

    /// Takes a payload; cut short if the stream ends in it.
    fn payload(&mut self, bytes: u64) -> Bytes {
        let mut taken = BytesMut::new();
        loop {
            let missing = bytes - taken.len() as u64;
            let size = missing.min(self.kept.len() as u64) as usize;
            taken.extend_from_slice(&self.kept.split_to(size));
            if taken.len() as u64 == bytes || !self.more() {
                return taken.freeze();
            }
        }
    }

    /// Reads with `decode` until it has something; `None` at FIN.
    fn next<T>(
        &mut self,
        mut decode: impl FnMut(&Bytes) -> Result<Option<(T, usize)>, Violation>,
    ) -> Result<Option<T>, Violation> {
        loop {
            if let Some((read, size)) = decode(&self.kept)? {
                self.kept = self.kept.slice(size..);
                return Ok(Some(read));
            }
            if !self.more() {
                return Ok(None);
            }
        }
    }
}

fn read_into(
    dialect: &'static Dialect,
    order: GroupOrder,
    reading: Option<MarkReading>,
    source: &mut Source<'_, '_>,
    seen: &mut Seen,
) -> Result<(), Violation> {
    let head = source.next(|bytes| dialect.decode_uni_head(bytes))?;
    seen.head = head.clone();
    match head {
        Some(UniHead::Subgroup(head)) => {
            let mut decoder = SubgroupDecoder::new(dialect, &head);
            while let Some(object) = source.next(|bytes| decoder.decode_object(bytes))? {
                let payload = source.payload(object.payload_bytes);
                let missing = object.payload_bytes - payload.len() as u64;
                if missing > 0 {
                    return decoder.end(0, missing);
                }
                seen.objects.push((object, payload));
            }
            decoder.end(source.kept.len(), 0)
        }
        Some(UniHead::Fetch(_)) => {
            let mut decoder = FetchDecoder::new(dialect, order);
            if let Some(reading) = reading {
                decoder = decoder.with_reading(reading);
            }
            while let Some(item) = source.next(|bytes| decoder.decode_item(bytes))? {
                let payload_bytes = match &item {
                    FetchItem::Object(object) => object.payload_bytes,
                    FetchItem::EndOfRange(..) => 0,
                };
                let payload = source.payload(payload_bytes);
                let missing = payload_bytes - payload.len() as u64;
                if missing > 0 {
                    return decoder.end(&[], missing);
                }
                seen.items.push((item, payload));
            }
            let ended = decoder.end(&source.kept, 0);
            seen.reading = Some(decoder.reading());
            ended
        }
        Some(UniHead::Object(_) | UniHead::Control | UniHead::Padding) | None => Ok(()),
    }
}

/// Writes a subgroup stream as far as the draft can say it, and reads it.
fn send_subgroup(
    dialect: &'static Dialect,
    head: &SubgroupHead,
    objects: &[(ObjectHead, Bytes)],
) -> Option<(usize, Seen)> {
    let mut out = BytesMut::new();
    dialect.encode_subgroup_head(head, &mut out).ok()?;
    let mut previous = None;
    let mut sent = 0;
    for (object, payload) in objects {
        if dialect.encode_object(head, previous, object, &mut out).is_ok() {
            out.extend_from_slice(payload);
            previous = Some(object.object);
            sent += 1;
        }
    }
    let seen = read(dialect, GroupOrder::Ascending, None, &mut std::iter::once(&out[..]));
    assert_eq!(seen.fault, None, "what was written is legal");
    Some((sent, seen))
}

fn check_subgroup(dialect: &'static Dialect, head: &SubgroupHead, objects: &[(ObjectHead, Bytes)]) {
    let (sent, seen) = send_subgroup(dialect, head, objects).expect("the head was read");
    assert_eq!(sent, objects.len(), "what was read can be written");
    assert_eq!(seen.head, Some(UniHead::Subgroup(head.clone())));
    assert_eq!(seen.objects, objects);
}

fn check_bridged_subgroup(
    dialect: &'static Dialect,
    head: &SubgroupHead,
    objects: &[(ObjectHead, Bytes)],
) {
    let mut head = head.clone();
    head.priority = head.priority.or((!dialect.inherits_priority()).then(Priority::default));
    let Some((sent, seen)) = send_subgroup(dialect, &head, objects) else { return };
    assert_eq!(seen.objects.len(), sent);
    for (object, payload) in &seen.objects {
        let same = objects.iter().find(|(other, _)| other.object == object.object);
        let (origin, same_payload) = same.expect("no object appears from nowhere");
        assert_eq!((payload, object.status), (same_payload, origin.status));
    }
}

/// Items with one form of no properties.
fn plain(items: &[(FetchItem, Bytes)]) -> Vec<(FetchItem, Bytes)> {
    let mut items = items.to_vec();
    for (item, _) in &mut items {
        if let FetchItem::Object(object) = item
            && object.properties.is_empty()
        {
            object.properties = Properties::default();
        }
    }
    items
}

/// Writes a fetch stream as far as the draft can say it, and reads it: what was sent, and what
/// was seen.
fn send_fetch(
    dialect: &'static Dialect,
    order: GroupOrder,
    reading: Option<MarkReading>,
    head: &FetchHead,
    items: &[(FetchItem, Bytes)],
) -> Option<(Vec<(FetchItem, Bytes)>, Seen)> {
    let mut out = BytesMut::new();
    dialect.encode_fetch_head(head, &mut out).ok()?;
    let mut encoder = FetchEncoder::new(dialect, order);
    if let Some(reading) = reading {
        encoder = encoder.with_reading(reading);
    }
    let mut sent = Vec::new();
    for (item, payload) in items {
        if encoder.encode(item, &mut out).is_ok() {
            out.extend_from_slice(payload);
            sent.push((item.clone(), payload.clone()));
        }
    }
    let seen = read(dialect, order, reading, &mut std::iter::once(&out[..]));
    assert_eq!(seen.fault, None, "what was written is legal");
    Some((sent, seen))
}

fn check_fetch(dialect: &'static Dialect, order: GroupOrder, head: &FetchHead, whole: &Seen) {
    let sending = send_fetch(dialect, order, whole.reading, head, &whole.items);
    let (sent, seen) = sending.expect("the head was read");
    assert_eq!(seen.head, Some(UniHead::Fetch(*head)));
    assert_eq!(plain(&seen.items), plain(&sent));
    let objects = |items: &[(FetchItem, Bytes)]| {
        items.iter().filter(|(item, _)| matches!(item, FetchItem::Object(_))).count()
    };
    assert_eq!(objects(&sent), objects(&whole.items), "what was read can be written");
}

fn check_bridged_fetch(
    dialect: &'static Dialect,
    order: GroupOrder,
    head: &FetchHead,
    items: &[(FetchItem, Bytes)],
) {
    let Some((sent, seen)) = send_fetch(dialect, order, None, head, items) else { return };
    let places = |items: &[(FetchItem, Bytes)]| -> Vec<_> {
        let place = |(item, payload): &(FetchItem, Bytes)| match item {
            FetchItem::Object(object) => {
                (object.location, Some((object.priority, object.status)), payload.clone())
            }
            FetchItem::EndOfRange(location, _) => (*location, None, payload.clone()),
        };
        items.iter().map(place).collect()
    };
    assert_eq!(places(&seen.items), places(&sent));
}
