//! One shard and scripted peers of every draft over simulated links: what a relay owes each of
//! them. `scene` is the stage; each other file is one part of the relay's behaviour.

mod publish;
mod scene;
mod subscribe;
mod updates;
