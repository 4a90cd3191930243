//! The wire formats against byte vectors, against another implementation, and as printed tables.

mod support;
mod vectors;
