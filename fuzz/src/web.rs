//! What WebTransport puts around MOQT: frames, settings, headers, capsules, prefixes.

use bytes::Bytes;
use sluice_net::fuzzing;

use crate::input::Input;

pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let decoder = input.byte();
    let cut = input.byte();
    let bytes = input.rest();
    match decoder % 6 {
        0 => {
            let whole = fuzzing::settings(bytes, bytes.len());
            let cut = usize::from(cut).min(bytes.len());
            assert_eq!(fuzzing::settings(bytes, cut), whole, "pieces make a difference");
        }
        1 => {
            fuzzing::frames(Bytes::copy_from_slice(bytes));
        }
        2 => {
            let whole = fuzzing::capsules(bytes, bytes.len());
            let pieces = fuzzing::capsules(bytes, usize::from(cut % 16));
            assert_eq!(pieces, whole, "pieces make a difference");
        }
        3 => {
            let Some(encoded) = fuzzing::header_section(bytes) else { return };
            let again = fuzzing::header_section(&encoded).expect("what was written parses");
            assert_eq!(again, encoded);
        }
        4 => {
            let Ok(text) = std::str::from_utf8(bytes) else { return };
            fuzzing::string_list(text);
        }
        _ => {
            let Some((_, rest)) = fuzzing::datagram_prefix(Bytes::copy_from_slice(bytes)) else {
                return;
            };
            assert!(bytes.ends_with(&rest));
        }
    }
}
