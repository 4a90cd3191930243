//! What sending objects costs on the bare QUIC library: `cargo xtask floor` runs both sides.
//!
//! `floor send VIEWERS BYTES RATE SECONDS at-once|spread` says where it listens, sends once all
//! viewers are there, and prints what an object cost. `floor view ADDRESS VIEWERS BYTES` is the
//! viewers.
#![allow(clippy::print_stdout, reason = "a command-line tool")]

use std::error::Error;
use std::time::Duration;

use sluice_bench::floor::{self, FloorLoad, Sender};

/// As `sluice bench` has it.
const GROUP_OBJECTS: u64 = 50;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["send", viewers, object_bytes, rate, seconds, phase @ ("at-once" | "spread")] => {
            let load = FloorLoad {
                viewers: viewers.parse()?,
                object_bytes: object_bytes.parse()?,
                rate: rate.parse()?,
                group_objects: GROUP_OBJECTS,
                spread: phase == "spread",
                warmup: Duration::from_secs(1),
                duration: Duration::from_secs_f64(seconds.parse()?),
            };
            send(&load)
        }
        ["view", address, viewers, object_bytes] => {
            let came = floor::view(address.parse()?, viewers.parse()?, object_bytes.parse()?)?;
            println!("came {came}");
            Ok(())
        }
        _ => Err("usage: floor send VIEWERS BYTES RATE SECONDS at-once|spread
       floor view ADDRESS VIEWERS BYTES"
            .into()),
    }
}

fn send(load: &FloorLoad) -> Result<(), Box<dyn Error>> {
    let sender = Sender::new()?;
    println!("listening on {}", sender.address()?);
    let report = sender.send(load)?;
    let cost = report.cpu_per_object.as_secs_f64() * 1e6;
    println!("measured {} objects, cut {}", report.objects, report.cut);
    println!("written {}", report.written);
    println!("cpu_us_per_object {cost:.3}");
    Ok(())
}
