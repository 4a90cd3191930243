//! The wire formats against byte vectors, against another implementation, and as printed tables.

mod differential;
mod support;
mod vectors;
