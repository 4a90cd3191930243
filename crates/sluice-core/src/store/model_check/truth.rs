//! What the track really holds: plain lists made from one seed byte.

use bytes::Bytes;
use sluice_proto::model::{
    Delivery, GroupOrder, Location, ObjectStatus, Properties, PropertyEncoding, PropertyValue,
    SubgroupId,
};

use super::super::FetchSpan;
use super::fresh;

/// Groups of the track.
pub(super) const GROUPS: usize = 4;
/// Subgroups of a group.
pub(super) const SUBGROUPS: usize = 3;
/// Object ids in a group, existing or not.
const IDS: u64 = 14;

/// What there is at one id.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nothing,
    Datagram,
    Subgroup(usize),
    /// The end-of-group mark, in this subgroup.
    End(usize),
}

pub(super) struct Truth {
    seed: u8,
    /// By group and id.
    objects: Vec<Vec<Kind>>,
    /// The subgroups of each group as lists of ids.
    subgroups: Vec<Vec<Vec<u64>>>,
}

impl Truth {
    pub(super) fn new(seed: u8) -> Truth {
        let mut objects = Vec::new();
        for group in 0..GROUPS as u64 {
            let mut kinds = Vec::new();
            for id in 0..IDS {
                kinds.push(match mix(seed, group, id) % 10 {
                    0 | 1 => Kind::Nothing,
                    2 => Kind::Datagram,
                    3..=6 => Kind::Subgroup(0),
                    7 | 8 => Kind::Subgroup(1),
                    _ => Kind::Subgroup(2),
                });
            }
            if mix(seed, group, 99).is_multiple_of(2) {
                kinds.push(Kind::End(1));
            }
            objects.push(kinds);
        }
        let list = |kinds: &Vec<Kind>, wanted: usize| {
            let ids = kinds.iter().enumerate().filter(|(_, kind)| match kind {
                Kind::Subgroup(subgroup) | Kind::End(subgroup) => *subgroup == wanted,
                Kind::Nothing | Kind::Datagram => false,
            });
            ids.map(|(id, _)| id as u64).collect()
        };
        let subgroups = objects
            .iter()
            .map(|kinds| (0..SUBGROUPS).map(|wanted| list(kinds, wanted)).collect())
            .collect();
        Truth { seed, objects, subgroups }
    }

    fn kind(&self, at: Location) -> Kind {
        let group = usize::try_from(at.group.0).ok().and_then(|group| self.objects.get(group));
        let id = usize::try_from(at.object.0).ok();
        group.zip(id).and_then(|(group, id)| group.get(id)).copied().unwrap_or(Kind::Nothing)
    }

    /// All ids of a group, existing or not.
    pub(super) fn all(&self, group: usize) -> Vec<u64> {
        (0..self.objects[group].len() as u64).collect()
    }

    /// Whether there is an object with a payload.
    pub(super) fn exists(&self, at: Location) -> bool {
        matches!(self.kind(at), Kind::Datagram | Kind::Subgroup(_))
    }

    pub(super) fn subgroup(&self, group: usize, subgroup: usize) -> &[u64] {
        &self.subgroups[group][subgroup]
    }

    pub(super) fn datagrams(&self, group: usize) -> Vec<u64> {
        let kinds = self.objects[group].iter().enumerate();
        kinds.filter(|(_, kind)| **kind == Kind::Datagram).map(|(id, _)| id as u64).collect()
    }

    /// Whether a subgroup holds the group's last object; some publishers say so.
    pub(super) fn ends_group(&self, group: usize, subgroup: usize) -> bool {
        let last = self.objects[group].iter().rev().find(|kind| **kind != Kind::Nothing);
        matches!(last, Some(Kind::Subgroup(last) | Kind::End(last)) if *last == subgroup)
    }

    pub(super) fn delivery(&self, at: Location) -> Delivery {
        match self.kind(at) {
            Kind::Nothing | Kind::Datagram => Delivery::Datagram,
            Kind::Subgroup(subgroup) | Kind::End(subgroup) => {
                Delivery::Subgroup(SubgroupId(subgroup as u64))
            }
        }
    }

    pub(super) fn status(&self, at: Location) -> ObjectStatus {
        match self.kind(at) {
            Kind::End(_) => ObjectStatus::EndOfGroup,
            Kind::Nothing | Kind::Datagram | Kind::Subgroup(_) => ObjectStatus::Normal,
        }
    }

    pub(super) fn properties(&self, at: Location) -> Properties {
        let value = mix(self.seed, at.group.0, at.object.0 + 1000);
        if self.status(at) != ObjectStatus::Normal || !value.is_multiple_of(3) {
            return Properties::default();
        }
        let pairs =
            [(0x20, PropertyValue::Int(value)), (0x21, PropertyValue::Bytes("meta".into()))];
        Properties::from_entries(PropertyEncoding::DeltaVi64, pairs).expect("fits")
    }

    pub(super) fn payload(&self, at: Location) -> Bytes {
        if !self.exists(at) {
            return Bytes::new();
        }
        let noise = mix(self.seed, at.group.0, at.object.0 + 2000);
        let length = match noise % 8 {
            0 => 0,
            1 => 1,
            2 => 40_000,
            3 => 3_000,
            rest => rest * 37,
        };
        let bytes: Vec<u8> =
            (0..length).map(|at| (at as u8).wrapping_mul(31) ^ (noise as u8)).collect();
        fresh(&bytes)
    }

    /// The objects with payload of a span, in its order.
    pub(super) fn span(&self, span: &FetchSpan) -> Vec<Location> {
        let mut groups: Vec<u64> = (0..GROUPS as u64).collect();
        if span.order == GroupOrder::Descending {
            groups.reverse();
        }
        let inside = |at: &Location| *at >= span.start && span.end.includes(*at);
        groups
            .into_iter()
            .flat_map(|group| (0..IDS).map(move |id| Location::new(group, id)))
            .filter(|at| inside(at) && self.exists(*at))
            .collect()
    }
}

fn mix(seed: u8, a: u64, b: u64) -> u64 {
    let mut value = u64::from(seed) ^ a.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b << 17;
    for _ in 0..3 {
        value = (value ^ (value >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    value >> 33
}
