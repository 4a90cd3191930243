//! Names of tracks and sessions as addresses have them: every name has one, and none needs an escape.
//!
//! Letters, digits, `_` and `.` stand for themselves, other bytes are `~` and two hexadecimal digits.
//! Fields of a namespace have `/` between them, `--` stands before the track's name; a scope is its
//! authority and path, each with `:` behind it.

use std::fmt::Write;

use bytes::Bytes;
use sluice_core::{ScopeName, SessionKey};
use sluice_proto::model::{FullTrackName, TrackName, TrackNamespace};

/// A track.
pub fn track(scope: &ScopeName, name: &FullTrackName) -> String {
    let mut id = namespace(scope, name.namespace());
    id.push_str("--");
    escape(name.name().as_bytes(), &mut id);
    id
}

/// Reads what [`track`] writes.
pub fn read_track(id: &str) -> Option<(ScopeName, FullTrackName)> {
    let (of, name) = id.rsplit_once("--")?;
    let (scope, namespace) = read_namespace(of)?;
    let name = TrackName::new(unescape(name)?).ok()?;
    Some((scope, FullTrackName::new(namespace, name).ok()?))
}

/// A namespace.
pub fn namespace(scope: &ScopeName, namespace: &TrackNamespace) -> String {
    let mut id = String::new();
    if *scope != ScopeName::default() {
        for part in [&scope.0, &scope.1] {
            escape(part.as_bytes(), &mut id);
            id.push(':');
        }
    }
    for (at, field) in namespace.fields().iter().enumerate() {
        if at > 0 {
            id.push('/');
        }
        escape(field, &mut id);
    }
    id
}

/// Reads what [`namespace`] writes.
pub fn read_namespace(id: &str) -> Option<(ScopeName, TrackNamespace)> {
    let parts: Vec<&str> = id.split(':').collect();
    let text = |part: &str| String::from_utf8(unescape(part)?.into()).ok();
    let (scope, fields) = match parts[..] {
        [fields] => (ScopeName::default(), fields),
        [authority, path, fields] => ((text(authority)?, text(path)?), fields),
        _ => return None,
    };
    let fields = fields.split('/').filter(|_| !fields.is_empty());
    let fields: Vec<Bytes> = fields.map(unescape).collect::<Option<_>>()?;
    Some((scope, TrackNamespace::new(fields).ok()?))
}

/// A session of a worker.
pub fn session(worker: usize, key: SessionKey) -> String {
    format!("{worker}:{key}")
}

/// Reads what [`session`] writes.
pub fn read_session(id: &str) -> Option<(usize, SessionKey)> {
    let (worker, key) = id.split_once(':')?;
    Some((worker.parse().ok()?, key.parse().ok()?))
}

fn escape(bytes: &[u8], to: &mut String) {
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' => to.push(char::from(*byte)),
            other => write!(to, "~{other:02x}").expect("memory"),
        }
    }
}

fn unescape(text: &str) -> Option<Bytes> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        if *first != b'~' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_from_its_address() {
        let odd = [&b"live"[..], b"a/b", b"--", b"~", b"\0\xff", b"x:y", "é ".as_bytes()];
        let scopes = [ScopeName::default(), ("relay.test:4433".into(), "/a/--b".into())];
        for scope in scopes {
            for fields in [&odd[..], &odd[..1], &[]] {
                let fields = fields.iter().map(|field| Bytes::copy_from_slice(field));
                let space = TrackNamespace::new(fields).unwrap();
                assert_eq!(
                    read_namespace(&namespace(&scope, &space)),
                    Some((scope.clone(), space.clone()))
                );
                for name in odd {
                    let name = TrackName::new(name.to_vec()).unwrap();
                    let full = FullTrackName::new(space.clone(), name).unwrap();
                    let id = track(&scope, &full);
                    assert!(id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%'), "{id}");
                    assert_eq!(read_track(&id), Some((scope.clone(), full)), "{id}");
                }
            }
        }
    }

    #[test]
    fn what_names_nothing_is_no_address() {
        for wrong in ["", "live/cam", "a~--b", "a~zz--b", "a:b--c", "a:b:c:d--e"] {
            assert_eq!(read_track(wrong), None, "{wrong}");
        }
        for wrong in ["", "0", "0:", "0:1", "x:1.2", "0:1.x", "0:-1.2"] {
            assert_eq!(read_session(wrong), None, "{wrong}");
        }
    }
}
