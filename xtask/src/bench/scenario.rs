//! The loads that relays are compared by.

/// A load, and what it may cost.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Short name, for `--only`.
    pub name: &'static str,
    /// In words.
    pub title: &'static str,
    /// Viewers, of which the first figures of `load` speak.
    pub viewers: usize,
    /// Payload of an object.
    pub object_bytes: usize,
    /// Objects a second, of each track.
    pub rate: f64,
    /// What `sluice bench` is told besides.
    pub more: &'static [&'static str],
    /// How the floor sends the same, if a loop can.
    pub floor: Option<Phase>,
    /// What a delivered object may cost, as part of what it costs the better peer.
    pub bar: f64,
}

/// When the floor's viewers get their objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// All at once, as viewers of one track.
    AtOnce,
    /// One after the other, as viewers of a track each.
    Spread,
}

impl Phase {
    /// As the floor's command line has it.
    pub fn argument(self) -> &'static str {
        match self {
            Phase::AtOnce => "at-once",
            Phase::Spread => "spread",
        }
    }
}

const fn fan_out(name: &'static str, title: &'static str, bytes: usize, rate: f64) -> Scenario {
    Scenario {
        name,
        title,
        viewers: 300,
        object_bytes: bytes,
        rate,
        more: &[],
        floor: Some(Phase::AtOnce),
        bar: 0.5,
    }
}

/// All of them.
pub const ALL: &[Scenario] = &[
    fan_out("fan-out", "300 viewers of one track, 1,200 B x 50/s", 1200, 50.0),
    fan_out("large", "300 viewers of one track, 4,000 B x 60/s", 4000, 60.0),
    fan_out("small", "300 viewers of one track, 150 B x 50/s", 150, 50.0),
    Scenario {
        name: "tracks",
        title: "200 tracks with one viewer each, 1,200 B x 50/s",
        viewers: 200,
        object_bytes: 1200,
        rate: 50.0,
        more: &["--tracks", "200"],
        floor: Some(Phase::Spread),
        bar: 0.7,
    },
    Scenario {
        name: "fat",
        title: "5 viewers of one track of 20 Mbit/s, 41,667 B x 60/s",
        viewers: 5,
        object_bytes: 41_667,
        rate: 60.0,
        more: &[],
        floor: Some(Phase::AtOnce),
        bar: 0.7,
    },
    Scenario {
        name: "joins",
        title: "100 viewers of one track, 1,200 B x 50/s, and 20 joins and leaves a second",
        viewers: 100,
        object_bytes: 1200,
        rate: 50.0,
        more: &["--joins", "20"],
        floor: None,
        bar: 0.7,
    },
    Scenario {
        name: "slow",
        title: "80 viewers of one track, 1,200 B x 50/s, and 20 that do not read",
        viewers: 80,
        object_bytes: 1200,
        rate: 50.0,
        more: &["--slow-viewers", "20"],
        floor: None,
        bar: 0.7,
    },
];
