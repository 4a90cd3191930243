//! `cargo xtask layers`: crates depend only downwards, and what must not appear in one does not.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;

/// Which workspace crates each crate may use, and which outside crates it must not.
const RULES: &[(&str, &[&str], &[&str])] = &[
    ("sluice-proto", &[], &["tokio", "mio", "quinn-proto", "quinn-udp", "rand"]),
    ("sluice-core", &["sluice-proto"], &["tokio", "mio", "quinn-proto", "quinn-udp", "rand"]),
    ("sluice-media", &[], &["tokio", "mio", "quinn-proto"]),
    ("sluice-net", &["sluice-proto"], &["tokio", "mio", "quinn-udp", "socket2"]),
    ("sluice-udp", &["sluice-net"], &["tokio"]),
    ("sluice-client", &["sluice-proto", "sluice-net", "sluice-udp"], &[]),
    (
        "sluice-sim",
        &["sluice-proto", "sluice-core", "sluice-net", "sluice-client", "sluice-media"],
        &["tokio", "mio"],
    ),
    (
        "sluice-bench",
        &["sluice-proto", "sluice-net", "sluice-udp", "sluice-client"],
        &["tokio", "mio", "quinn-proto"],
    ),
    (
        "sluice",
        &[
            "sluice-bench",
            "sluice-proto",
            "sluice-core",
            "sluice-net",
            "sluice-udp",
            "sluice-client",
            "sluice-media",
        ],
        &[],
    ),
    (
        "sluice-fuzz",
        &["sluice-proto", "sluice-core", "sluice-net", "sluice-media", "sluice-sim"],
        &["tokio", "mio"],
    ),
];

/// Fails with every edge that points the wrong way.
pub fn check() -> Result<()> {
    let text = shell::output("cargo", &["metadata", "--format-version", "1", "--no-deps"])?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata printed no JSON")?;
    let mut faults = Vec::new();
    let mut uses: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default().to_owned();
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let normal = dependencies
            .filter(|dependency| dependency["kind"].is_null())
            .filter_map(|dependency| dependency["name"].as_str().map(str::to_owned));
        uses.insert(name, normal.collect());
    }
    for (krate, below, never) in RULES {
        for used in uses.get(*krate).into_iter().flatten() {
            if used.starts_with("sluice") && !below.contains(&used.as_str()) {
                faults.push(format!("{krate} must not use {used}: it lies beside or above"));
            }
            if never.contains(&used.as_str()) {
                faults.push(format!("{krate} must not use {used}"));
            }
        }
    }
    for name in uses.keys().filter(|name| name.starts_with("sluice")) {
        if !RULES.iter().any(|(krate, ..)| krate == name) {
            faults.push(format!("{name} has no rule in xtask/src/layers.rs"));
        }
    }
    if !faults.is_empty() {
        bail!("layers:\n  {}", faults.join("\n  "));
    }
    println!("layers: {} crates point one way", RULES.len());
    Ok(())
}
