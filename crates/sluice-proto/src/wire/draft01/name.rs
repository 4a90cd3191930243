//! Namespaces: one string here, a tuple of fields in every later draft.
//!
//! Fields are joined by slashes. In a field `%` is written `%25` and `/` is written `%2F`, and an
//! empty field `%e`. A string that no tuple is written as becomes the tuple (`%raw`, string), so
//! every string has one tuple and every tuple one string.

use bytes::Bytes;

use crate::model::TrackNamespace;

/// First field of the tuple for a string that no other tuple is written as.
const RAW: &[u8] = b"%raw";
/// A field without bytes.
const EMPTY: &[u8] = b"%e";

/// The tuple for a string. The one without fields for the empty string.
pub fn split_namespace(string: &Bytes) -> TrackNamespace {
    if string.is_empty() {
        return TrackNamespace::default();
    }
    let fields: Option<Vec<Bytes>> =
        string.split(|byte| *byte == b'/').map(|part| field(string.slice_ref(part))).collect();
    fields
        .and_then(|fields| TrackNamespace::new(fields).ok())
        .or_else(|| TrackNamespace::new([Bytes::from_static(RAW), string.clone()]).ok())
        .unwrap_or_default()
}

/// The field that is written so; `None` if none is.
fn field(part: Bytes) -> Option<Bytes> {
    if part.is_empty() {
        return None;
    }
    if part == EMPTY {
        return Some(Bytes::new());
    }
    if !part.contains(&b'%') {
        return Some(part);
    }
    let mut field = Vec::with_capacity(part.len());
    let mut rest = &part[..];
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, after) = match (byte, after) {
            (b'%', [b'2', b'5', after @ ..]) => (b'%', after),
            (b'%', [b'2', b'F', after @ ..]) => (b'/', after),
            (b'%', _) => return None,
            other => other,
        };
        field.push(byte);
        rest = after;
    }
    Some(field.into())
}

/// The string for a tuple.
pub fn joined_namespace(namespace: &TrackNamespace) -> Bytes {
    if let [first, string] = namespace.fields()
        && first == RAW
        && split_namespace(string) == *namespace
    {
        return string.clone();
    }
    let mut joined = Vec::with_capacity(namespace.bytes() + namespace.len());
    for (index, field) in namespace.fields().iter().enumerate() {
        if index > 0 {
            joined.push(b'/');
        }
        if field.is_empty() {
            joined.extend_from_slice(EMPTY);
        }
        for &byte in field {
            match byte {
                b'%' => joined.extend_from_slice(b"%25"),
                b'/' => joined.extend_from_slice(b"%2F"),
                byte => joined.push(byte),
            }
        }
    }
    joined.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(fields: &[&'static str]) -> TrackNamespace {
        TrackNamespace::new(fields.iter().map(|field| Bytes::from_static(field.as_bytes())))
            .unwrap()
    }

    #[test]
    fn strings_and_tuples_lead_to_each_other() {
        let rows: [(&'static str, &[&str]); 9] = [
            ("vc", &["vc"]),
            ("live.example.com/meeting/123", &["live.example.com", "meeting", "123"]),
            ("a%2Fb/c", &["a/b", "c"]),
            ("%25raw/x", &["%raw", "x"]),
            ("%e/x", &["", "x"]),
            // What no tuple is written as.
            ("live.example.com/", &["%raw", "live.example.com/"]),
            ("100%", &["%raw", "100%"]),
            ("a%2fb", &["%raw", "a%2fb"]),
            ("/", &["%raw", "/"]),
        ];
        for (string, fields) in rows {
            let string = Bytes::from_static(string.as_bytes());
            assert_eq!(split_namespace(&string), tuple(fields), "{string:?}");
            assert_eq!(joined_namespace(&tuple(fields)), string, "{fields:?}");
        }
    }

    #[test]
    fn more_than_32_parts_stay_one_string() {
        let string = Bytes::from(["x"; 33].join("/"));
        let namespace = split_namespace(&string);
        assert_eq!(namespace.fields(), [Bytes::from_static(RAW), string.clone()]);
        assert_eq!(joined_namespace(&namespace), string);
    }

    /// Every string of up to four of the bytes that matter.
    #[test]
    fn every_short_string_comes_back() {
        let letters = b"%/2F5era";
        let mut strings = vec![Vec::new()];
        for _ in 0..4 {
            let longer = strings.iter().flat_map(|string: &Vec<u8>| {
                letters.iter().map(move |letter| [&string[..], &[*letter]].concat())
            });
            strings = longer.collect();
            for string in &strings {
                let string = Bytes::copy_from_slice(string);
                let namespace = split_namespace(&string);
                assert_eq!(joined_namespace(&namespace), string, "{namespace:?}");
                // A tuple that a string was written as is not the tuple of another one.
                assert_eq!(split_namespace(&joined_namespace(&namespace)), namespace);
            }
        }
    }

    #[test]
    fn tuples_that_look_like_strings_come_back() {
        for fields in [&["%raw", "vc"][..], &["%raw", "a/b"], &["%e"], &["%raw", "100%", "x"]] {
            let namespace = tuple(fields);
            assert_eq!(split_namespace(&joined_namespace(&namespace)), namespace, "{fields:?}");
        }
        assert_eq!(joined_namespace(&tuple(&["%raw", "vc"])), "%25raw/vc");
    }
}
