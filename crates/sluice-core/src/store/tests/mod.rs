//! What the store promises, one claim a test. The scenes are told in [`Scene`].

mod eviction;
mod fetching;
mod live;
mod malformed;
mod model;
mod scene;
mod sources;
mod to_end;

use scene::Scene;
