//! `cargo xtask licences`: every dependency may be used under a licence that we accept, comes from
//! the registry, and is not below a version with a known hole.
//!
//! Advisories are not fetched (this runs offline); `FLOORS` holds the ones that matter to us.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;

const ACCEPTED: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "0BSD",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "CC0-1.0",
    "Unlicense",
    "CDLA-Permissive-2.0",
    "BSL-1.0",
    "MIT-0",
    "MPL-2.0",
];

/// Lowest versions without a known remote denial of service.
const FLOORS: &[(&str, &[u64])] =
    &[("quinn-proto", &[0, 11, 19]), ("rustls", &[0, 23, 18]), ("ring", &[0, 17, 12])];

/// Fails with every dependency that breaks a rule.
pub fn check() -> Result<()> {
    let text = shell::output("cargo", &["metadata", "--format-version", "1", "--locked"])?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata printed no JSON")?;
    let mut faults = Vec::new();
    let mut count = 0;
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let version = package["version"].as_str().unwrap_or_default();
        let Some(source) = package["source"].as_str() else { continue };
        count += 1;
        if !source.starts_with("registry+") {
            faults.push(format!("{name} {version} comes from {source}, not from the registry"));
        }
        match package["license"].as_str() {
            Some(expression) if is_accepted(expression) => {}
            Some(expression) => faults.push(format!("{name} {version}: licence {expression}")),
            None => faults.push(format!("{name} {version} names no licence")),
        }
        let floor = FLOORS.iter().find(|(floored, _)| *floored == name);
        if let Some((_, floor)) = floor
            && numbers(version).as_slice() < *floor
        {
            faults.push(format!("{name} {version} has known holes, at least {floor:?} is needed"));
        }
    }
    if !faults.is_empty() {
        bail!("licences:\n  {}", faults.join("\n  "));
    }
    println!("licences: {count} dependencies may be used");
    Ok(())
}

/// Whether one of the alternatives of an SPDX expression is accepted in all its parts.
fn is_accepted(expression: &str) -> bool {
    let flat = expression.replace(['(', ')'], "").replace('/', " OR ");
    flat.split(" OR ")
        .any(|alternative| alternative.split(" AND ").all(|part| ACCEPTED.contains(&part.trim())))
}

fn numbers(version: &str) -> Vec<u64> {
    version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
}
