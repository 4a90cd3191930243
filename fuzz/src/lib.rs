//! Fuzz targets: what no bytes from a peer may ever do.
//!
//! A [`Target`] is a plain function of bytes that panics when a promise is broken. Three things
//! run them: the tests of this crate (every seed, and mutations of them from a fixed start, in
//! seconds), `cargo xtask fuzz` (guided by coverage), and whoever replays a finding. `README.md`
//! beside this crate has the commands.

mod control;
mod datagram;
mod input;
mod mutate;
mod named;
mod properties;
mod seeds;
mod session;
mod shard;
mod store;
mod stream;
mod varint;
mod web;

use sluice_proto::wire::Draft;

pub use mutate::Mutator;
pub use seeds::Seeds;

/// Something to throw bytes at.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name; `seeds/NAME.txt` holds its seeds.
    pub name: &'static str,
    /// What it promises, in a sentence.
    pub promise: &'static str,
    /// Runs it; panics when the promise is broken.
    pub run: fn(&[u8]),
    seeds: &'static str,
    /// Its seeds begin with the number of a draft.
    names_draft: bool,
}

macro_rules! target {
    ($name:ident, $run:path, $promise:literal) => {
        Target {
            name: stringify!($name),
            promise: $promise,
            run: $run,
            seeds: include_str!(concat!("../seeds/", stringify!($name), ".txt")),
            names_draft: false,
        }
    };
    ($name:ident of a draft, $run:path, $promise:literal) => {
        Target { names_draft: true, ..target!($name, $run, $promise) }
    };
}

/// All targets.
pub const TARGETS: &[Target] = &[
    target!(varint, varint::run, "what is read is written back, in the shortest form"),
    target!(
        properties,
        properties::run,
        "a block that parses can be moved to every encoding, and parses there"
    ),
    target!(
        stream of a draft,
        stream::run,
        "a data stream means the same however it is cut, is written back as it was meant, and \
         becomes a legal stream of every other draft"
    ),
    target!(
        datagram of a draft,
        datagram::run,
        "a datagram is written back as it was meant, and becomes a legal one of every other draft"
    ),
    target!(
        control of a draft,
        control::run,
        "a control message that is read can be written, and is then read as the same"
    ),
    target!(
        named,
        named::run,
        "a message or an object of draft 01 means the same however it is cut, and what is read can \
         be written and is then read as the same"
    ),
    target!(
        session of a draft,
        session::run,
        "a session survives any peer, and what it tells its owner keeps to the contract of events"
    ),
    target!(
        web,
        web::run,
        "every decoder of WebTransport survives any bytes, however they are cut"
    ),
    target!(store, store::run, "the store keeps its promises against a naive model"),
    target!(
        shard,
        shard::run,
        "whatever peers do, every viewer gets what a naive model of the relay says, and nothing \
         stays behind"
    ),
];

impl Target {
    /// The target of this name.
    pub fn find(name: &str) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Its seeds, or the number of a line that is none. One that names a draft is there for every
    /// other draft too: most are close to each other, and what a draft cannot read is an input as well.
    pub fn seeds(&self) -> impl Iterator<Item = Result<Vec<u8>, usize>> {
        let drafts: &[Draft] = if self.names_draft { &Draft::SERVED } else { &[] };
        Seeds::new(self.seeds).flat_map(move |seed| {
            let written = seed.as_ref().ok().and_then(|seed| seed.first().copied());
            let others = drafts.iter().map(|draft| draft.number());
            let rest = seed.clone().unwrap_or_default();
            let of = move |draft| Ok([&[draft], rest.get(1..).unwrap_or_default()].concat());
            std::iter::once(seed).chain(others.filter(move |of| Some(*of) != written).map(of))
        })
    }
}

#[cfg(test)]
mod tests;
