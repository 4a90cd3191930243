//! What many plays begin with: a publisher with a viewer, and names.

use sluice_proto::model::*;
use sluice_proto::wire::Draft;

use crate::scene::{PeerId, Scene};

/// A publisher and a viewer whose subscription was accepted.
pub struct Watching {
    pub scene: Scene,
    pub publisher: PeerId,
    /// The relay's subscription.
    pub upstream: RequestId,
    pub viewer: PeerId,
    /// The viewer's subscription.
    pub id: RequestId,
}

/// A publisher of `from` that answers `ok`, and a viewer of `to`.
pub fn watching(from: Draft, to: Draft, subscribe: Subscribe, ok: SubscribeOk) -> Watching {
    let mut scene = Scene::new();
    let publisher = scene.peer(from);
    scene.announce(publisher, "live/cam");
    let viewer = scene.peer(to);
    let id = scene.subscribe(viewer, subscribe);
    let upstream = scene.accept(publisher, ok);
    scene.subscribe_ok(viewer, id);
    Watching { scene, publisher, upstream, viewer, id }
}

pub fn namespace(path: &str) -> TrackNamespace {
    TrackNamespace::from_path(path).unwrap()
}

/// Track `name` of namespace `live/cam`.
pub fn track(name: &str) -> FullTrackName {
    FullTrackName::new(namespace("live/cam"), TrackName::new(name.to_owned()).unwrap()).unwrap()
}

/// A SUBSCRIBE of new objects of track `name`.
pub fn newest(name: &str) -> Subscribe {
    Subscribe { track: track(name), filter: LocationFilter::NextObject, ..Subscribe::default() }
}

/// A SUBSCRIBE_OK that names this location as the largest.
pub fn largest(group: u64, object: u64) -> SubscribeOk {
    SubscribeOk { largest: Some(Location::new(group, object)), ..SubscribeOk::default() }
}
