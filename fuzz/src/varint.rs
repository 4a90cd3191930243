//! Integers.

use sluice_proto::wire::varint::Integers;

use crate::input::Input;

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let integers = input.choose(&[Integers::Quic, Integers::MoqWithoutSeven, Integers::Moq]);
    let bytes = input.rest();
    let Ok(Some((value, size))) = integers.read(bytes) else { return };
    assert!(size <= bytes.len());
    for cut in 0..size {
        assert_eq!(integers.read(&bytes[..cut]), Ok(None));
    }
    let mut out = Vec::new();
    integers.put(value, &mut out).expect("what was read can be written");
    assert!(out.len() <= size);
    assert_eq!(integers.size_bytes(value), Some(out.len()));
    assert_eq!(integers.read(&out), Ok(Some((value, out.len()))));
}
