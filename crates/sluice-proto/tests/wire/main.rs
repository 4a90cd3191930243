//! The wire formats against byte vectors, against another implementation, and as printed tables.

mod arbitrary;
mod differential;
mod faults;
mod named;
mod support;
mod tables;
mod vectors;
