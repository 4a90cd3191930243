//! Datagrams.

use bytes::{Bytes, BytesMut};
use sluice_proto::model::{DatagramHead, Priority, Properties};
use sluice_proto::wire::Dialect;

use crate::input::{Input, dialects};

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let dialect = input.dialect();
    let datagram = Bytes::copy_from_slice(input.rest());
    let Ok(Some((head, payload))) = dialect.decode_datagram(datagram.clone()) else { return };
    assert!(datagram.ends_with(&payload));
    let again = send(dialect, &head, &payload).expect("what was read can be written");
    assert_eq!(again, (head.clone(), payload.clone()));

    for other in dialects() {
        let mut head = head.clone();
        head.priority = head.priority.or((!other.inherits_priority()).then(Priority::default));
        let Some((told, same_payload)) = send(other, &head, &payload) else { continue };
        assert_eq!(same_payload, payload);
        assert_eq!((told.location, told.status), (head.location, head.status));
        assert_eq!(told.priority, head.priority);
    }
}

/// Writes and reads a datagram; `None` if the draft cannot say it.
fn send(dialect: &Dialect, head: &DatagramHead, payload: &[u8]) -> Option<(DatagramHead, Bytes)> {
    let mut out = BytesMut::new();
    dialect.encode_datagram(head, &mut out).ok()?;
    out.extend_from_slice(payload);
    let read = dialect.decode_datagram(out.freeze()).expect("what was written is legal");
    let (mut head, payload) = read.expect("no padding was written");
    // No properties have no encoding.
    if head.properties.is_empty() {
        head.properties = Properties::default();
    }
    Some((head, payload))
}
