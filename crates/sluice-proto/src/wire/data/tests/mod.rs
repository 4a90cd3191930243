//! Data plane tests. Streams are shown as short texts, so that a row of a table holds bytes and
//! what they mean:
//!
//! - `a200 g7 s0 p128 +props +end +first`: a subgroup head; `s=first` names it by its first
//!   object, `p-` inherits.
//! - `3{3c=2,3e=1}:6869`, `5!EndOfGroup`: objects on it.
//! - `10/0 s0 p128{}:6869`, `12/6 datagram …`, `..13/9 Unknown`: items of a fetch.

mod datagram;
mod differential;
mod fetch;
mod round_trip;
mod subgroup;

use std::fmt::Write;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::model::{
    DatagramHead, Delivery, FetchItem, GroupOrder, Location, ObjectStatus, Priority, Properties,
    PropertyEncoding, PropertyValue, SubgroupHead, SubgroupIdField,
};
use crate::wire::varint::Integers;
use crate::wire::{Dialect, Draft, Violation};

/// Not spoken yet; here they show that the values of a [`DataPlane`] suffice to add them.
static DRAFT_15: Dialect = Dialect {
    data: DataPlane {
        inherited_priority: true,
        end_properties: false,
        status_without_id: StatusWithoutId::Read,
        fetch: FetchLayout {
            form: FetchForm::FlagByte,
            ..crate::wire::draft14::DIALECT.data.fetch
        },
        ..crate::wire::draft14::DIALECT.data
    },
    ..crate::wire::draft14::DIALECT
};
static DRAFT_17: Dialect = Dialect {
    integers: Integers::MoqWithoutSeven,
    properties: PropertyEncoding::DeltaVi64Short,
    data: DataPlane { control_stream: Some(0x2F00), ..crate::wire::draft16::DIALECT.data },
    ..crate::wire::draft16::DIALECT
};

fn dialect(draft: u8) -> &'static Dialect {
    match draft {
        15 => &DRAFT_15,
        17 => &DRAFT_17,
        _ => draft.to_string().parse::<Draft>().unwrap().dialect(),
    }
}

const EVERY: &[u8] = &[14, 15, 16, 17, 18, 20];

fn hex(text: &str) -> Bytes {
    let digits: String = text.split_whitespace().collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn show_bytes(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn show_properties(properties: &Properties) -> String {
    let pairs: Vec<String> = properties
        .entries()
        .map(|(kind, value)| match value {
            PropertyValue::Int(value) => format!("{kind:x}={value}"),
            PropertyValue::Bytes(bytes) => format!("{kind:x}={}", show_bytes(&bytes)),
        })
        .collect();
    format!("{{{}}}", pairs.join(","))
}

fn show_end(status: ObjectStatus, payload: &[u8]) -> String {
    match status {
        ObjectStatus::Normal => format!(":{}", show_bytes(payload)),
        status => format!("!{status:?}"),
    }
}

fn show_priority(priority: Option<Priority>) -> String {
    priority.map_or("p-".to_owned(), |priority| format!("p{}", priority.0))
}

fn show_head(head: &SubgroupHead) -> String {
    let subgroup = match head.subgroup {
        SubgroupIdField::Id(id) => format!("s{id}"),
        SubgroupIdField::FirstObject => "s=first".to_owned(),
    };
    let flag = |set: bool, text: &'static str| if set { text } else { "" };
    format!(
        "a{} g{} {subgroup} {}{}{}{}",
        head.alias,
        head.group,
        show_priority(head.priority),
        flag(head.properties, " +props"),
        flag(head.end_of_group, " +end"),
        flag(head.first_object, " +first"),
    )
}

fn show_item(item: &FetchItem, payload: &[u8]) -> String {
    match item {
        FetchItem::Object(object) => {
            let delivery = match object.delivery {
                Delivery::Subgroup(id) => format!("s{id}"),
                Delivery::Datagram => "datagram".to_owned(),
                Delivery::Unknown(id) => format!("s{id}?"),
            };
            let priority = show_priority(Some(object.priority));
            let properties = show_properties(&object.properties);
            let end = show_end(object.status, payload);
            format!("{} {delivery} {priority}{properties}{end}", object.location)
        }
        FetchItem::EndOfRange(location, mark) => format!("..{location} {mark:?}"),
    }
}

/// Everything on a unidirectional stream that was read before it was incomplete or faulty.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// Head and items; payloads only when they are complete.
    parts: Vec<String>,
    fault: Option<Violation>,
    /// Whether nothing is left half read.
    complete: bool,
    /// The same bytes written anew, as far as that was possible.
    rewritten: BytesMut,
}

impl Seen {
    fn text(&self) -> String {
        self.parts.join(" | ")
    }
}

/// Options for reading a fetch.
#[derive(Clone, Copy)]
struct Fetching {
    order: GroupOrder,
    range: Option<(Location, Location)>,
    reading: Option<MarkReading>,
}

const ASCENDING: Fetching = Fetching { order: GroupOrder::Ascending, range: None, reading: None };
const DESCENDING: Fetching = Fetching { order: GroupOrder::Descending, ..ASCENDING };

/// Reads a whole stream; `fin` says whether it ends where the bytes do.
fn read_stream(dialect: &'static Dialect, bytes: &Bytes, fetching: Fetching, fin: bool) -> Seen {
    let mut seen = Seen::default();
    if let Err(fault) = read_into(dialect, bytes, fetching, fin, &mut seen) {
        seen.fault = Some(fault);
        seen.complete = false;
    }
    seen
}

fn read_into(
    dialect: &'static Dialect,
    bytes: &Bytes,
    fetching: Fetching,
    fin: bool,
    seen: &mut Seen,
) -> Result<(), Violation> {
    let Some((head, read)) = dialect.decode_uni_head(bytes)? else {
        return if fin && !bytes.is_empty() { Err(DataViolation::CutByFin.into()) } else { Ok(()) };
    };
    let mut rest = bytes.slice(read..);
    match head {
        UniHead::Object(_) => unreachable!("no draft of these has it"),
        UniHead::Control | UniHead::Padding => {
            seen.parts.push(format!("{head:?}"));
            seen.complete = true;
        }
        UniHead::Subgroup(head) => {
            seen.parts.push(show_head(&head));
            dialect.encode_subgroup_head(&head, &mut seen.rewritten).unwrap();
            let mut decoder = SubgroupDecoder::new(dialect, &head);
            loop {
                let previous = decoder.previous();
                let Some((object, read)) = decoder.decode_object(&rest)? else { break };
                rest = rest.slice(read..);
                if object.payload_bytes > rest.len() as u64 {
                    seen.complete = false;
                    return if fin { decoder.end(0, object.payload_bytes) } else { Ok(()) };
                }
                let payload = rest.split_to(object.payload_bytes as usize);
                let properties = show_properties(&object.properties);
                let end = show_end(object.status, &payload);
                seen.parts.push(format!("{}{properties}{end}", object.object));
                dialect.encode_object(&head, previous, &object, &mut seen.rewritten).unwrap();
                seen.rewritten.extend_from_slice(&payload);
            }
            seen.complete = rest.is_empty();
            if fin {
                decoder.end(rest.len(), 0)?;
            }
        }
        UniHead::Fetch(head) => {
            seen.parts.push(format!("fetch {}", head.request));
            dialect.encode_fetch_head(&head, &mut seen.rewritten).unwrap();
            read_fetch(dialect, rest, fetching, fin, seen)?;
        }
    }
    Ok(())
}

fn read_fetch(
    dialect: &'static Dialect,
    mut rest: Bytes,
    fetching: Fetching,
    fin: bool,
    seen: &mut Seen,
) -> Result<(), Violation> {
    let mut decoder = FetchDecoder::new(dialect, fetching.order);
    let mut encoder = FetchEncoder::new(dialect, fetching.order);
    if let Some((first, last)) = fetching.range {
        decoder = decoder.with_range(first, last);
    }
    if let Some(reading) = fetching.reading {
        decoder = decoder.with_reading(reading);
        encoder = encoder.with_reading(reading);
    }
    while let Some((item, read)) = decoder.decode_item(&rest)? {
        rest = rest.slice(read..);
        let payload_bytes = match &item {
            FetchItem::Object(object) => object.payload_bytes,
            FetchItem::EndOfRange(..) => 0,
        };
        if payload_bytes > rest.len() as u64 {
            seen.complete = false;
            return if fin { decoder.end(&[], payload_bytes) } else { Ok(()) };
        }
        let payload = rest.split_to(payload_bytes as usize);
        seen.parts.push(show_item(&item, &payload));
        encoder.encode(&item, &mut seen.rewritten).unwrap();
        seen.rewritten.extend_from_slice(&payload);
    }
    seen.complete = rest.is_empty();
    if fin {
        decoder.end(&rest, 0)?;
        seen.complete = true;
    }
    Ok(())
}

/// Reads `bytes` whole and cut at every place: what a cut stream shows must be the beginning of
/// what the whole one shows, without a fault.
fn read_whole_and_cut(dialect: &'static Dialect, bytes: &Bytes, fetching: Fetching) -> Seen {
    let whole = read_stream(dialect, bytes, fetching, true);
    for cut in 0..bytes.len() {
        let part = read_stream(dialect, &bytes.slice(..cut), fetching, false);
        assert_eq!(part.fault, None, "cut at {cut}");
        assert!(whole.parts.starts_with(&part.parts), "cut at {cut}: {part:?} of {whole:?}");
    }
    whole
}

fn show_datagram(head: &DatagramHead, payload: &[u8]) -> String {
    let end = if head.end_of_group { " +end" } else { "" };
    format!(
        "a{} {} {}{end} {}{}",
        head.alias,
        head.location,
        show_priority(head.priority),
        show_properties(&head.properties),
        show_end(head.status, payload),
    )
}
