//! The decoders of the WebTransport layer on bytes that nobody chose.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use sluice_net::fuzzing;

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..600), piece in 1usize..40) {
        fuzzing::settings(&bytes, piece);
        fuzzing::frames(Bytes::from(bytes.clone()));
        fuzzing::capsules(&bytes, piece);
        fuzzing::datagram_prefix(Bytes::from(bytes.clone()));
        fuzzing::string_list(&String::from_utf8_lossy(&bytes));
        let mut section = vec![0, 0];
        section.extend_from_slice(&bytes);
        fuzzing::header_section(&section);
    }

    #[test]
    fn slicing_changes_nothing(bytes in vec(any::<u8>(), 0..300), piece in 1usize..40) {
        let whole = fuzzing::capsules(&bytes, bytes.len().max(1));
        prop_assert_eq!(fuzzing::capsules(&bytes, piece), whole);
        prop_assert_eq!(fuzzing::settings(&bytes, piece), fuzzing::settings(&bytes, 0));
    }

    #[test]
    fn what_decodes_decodes_again_after_encoding(bytes in vec(any::<u8>(), 0..200)) {
        let mut section = vec![0, 0];
        section.extend_from_slice(&bytes);
        if let Some(encoded) = fuzzing::header_section(&section) {
            prop_assert_eq!(fuzzing::header_section(&encoded), Some(encoded.clone()));
        }
    }
}
