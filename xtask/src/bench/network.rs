//! A network whose paths are as narrow as the internet's: loopback alone would pass 64 KB at once.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell;

/// Bytes of an IP packet.
const PATH_MTU: &str = "1452";
/// Says to this program that it runs in such a network.
const INSIDE: &str = "SLUICE_PATH_MTU";
/// Ways to a network namespace: as root, and as anyone where the system allows it.
const WAYS: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];

/// Whether this program runs in such a network.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs this program's task again in a network of its own, or says that this cannot be and lets it
/// go on here. Whether it is done. What it runs is built: nothing is fetched in that network.
pub fn enter(arguments: &[&str]) -> Result<bool> {
    if is_inside() {
        return Ok(false);
    }
    let narrow = format!("ip link set lo up mtu {PATH_MTU}");
    let works = |way: &&&[&str]| {
        let mut command = Command::new("unshare");
        command.args(**way).args(["sh", "-c", &narrow]);
        command.output().is_ok_and(|output| output.status.success())
    };
    let Some(way) = WAYS.iter().find(works) else {
        println!("no network namespace is allowed here: the path MTU is loopback's");
        return Ok(false);
    };
    let program = std::env::current_exe().context("this program has no path")?;
    // Built anew since it was started, it is called so; what stands there now does the same.
    let program = program.to_string_lossy();
    let program = program.strip_suffix(" (deleted)").unwrap_or(&program);
    let status = Command::new("unshare")
        .args(*way)
        .args(["sh", "-c", &format!("{narrow} && exec \"$0\" \"$@\"")])
        .arg(program)
        .args(arguments)
        .env(INSIDE, PATH_MTU)
        .current_dir(shell::root())
        .status()
        .context("cannot start unshare")?;
    if !status.success() {
        bail!("the measurement failed: {status}");
    }
    Ok(true)
}

/// The path MTU in words.
pub fn describe() -> String {
    match std::env::var(INSIDE) {
        Ok(mtu) => format!("limited to {mtu} bytes (loopback of a network namespace)"),
        Err(_) => "NOT limited: loopback's 64 KB, which flatters".to_owned(),
    }
}

/// Whether a UDP socket of this network has this port.
pub fn has_udp_port(port: u16) -> bool {
    let wanted = format!(":{port:04X}");
    ["/proc/net/udp", "/proc/net/udp6"].iter().any(|table| {
        let table = std::fs::read_to_string(table).unwrap_or_default();
        let local = |line: &str| line.split_whitespace().nth(1).map(|at| at.ends_with(&wanted));
        table.lines().any(|line| local(line) == Some(true))
    })
}
