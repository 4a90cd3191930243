//! The built relay and clients of another library: `moqtap-client` for MOQT, `moqtap-codec` for
//! its data streams, `quinn` and `wtransport` below.

#[path = "../support/mod.rs"]
mod support;

mod cell;
mod content;
mod control;
mod control_stream;
mod control_stream_14;
mod control_stream_15;
mod control_stream_16;
mod data;
mod dial;
mod fetch;
mod loss;
mod matrix;
mod object;
mod request_streams;
mod request_streams_18;
mod request_streams_20;
mod rules;
mod table;
