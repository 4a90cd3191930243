//! A relay and scripted peers of every draft over simulated links: what it owes each of them. `scene` is the stage; each other file is one part of the relay's behaviour.

mod fetches;
mod origins;
mod publish;
mod report;
mod retain;
mod scene;
mod sending;
mod shards;
mod stage;
mod subscribe;
mod updates;
mod viewers;
