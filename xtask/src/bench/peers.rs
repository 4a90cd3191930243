//! `cargo xtask peers`: relays of others, from crates.io, in a folder that git ignores.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::shell;

/// A relay of someone else.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its package, and its program.
    pub name: &'static str,
    requirement: &'static str,
    features: &'static [&'static str],
    /// UDP port that it is started on, below those that systems give out.
    pub port: u16,
}

/// All of them.
pub const ALL: &[Peer] = &[
    Peer { name: "moq-relay-ietf", requirement: "^0.8", features: &[], port: 14_451 },
    Peer {
        name: "moq-relay",
        requirement: "^0.17",
        // The rest adds other carriers, which cost only time to build.
        features: &["--no-default-features", "--features", "noq,websocket"],
        port: 14_452,
    },
];

impl Peer {
    /// Where its program is when it is installed.
    pub fn program(&self) -> PathBuf {
        folder().join("bin").join(self.name)
    }

    /// Its version, if it is installed.
    pub fn version(&self) -> Option<String> {
        let listed = std::fs::read_to_string(folder().join(".crates.toml")).ok()?;
        let line = listed.lines().find_map(|line| {
            line.trim_start_matches('"').strip_prefix(&format!("{} ", self.name))
        })?;
        let version = line.split_whitespace().next()?.to_owned();
        self.program().exists().then_some(version)
    }

    fn install(&self) -> Result<()> {
        let folder = folder();
        let (root, target) = (folder.to_string_lossy(), folder.join("build"));
        let target = target.to_string_lossy();
        let install = ["install", "--root", &root, "--target-dir", &target];
        let what = ["--version", self.requirement, self.name];
        let all = [&install[..], self.features, &what[..]].concat();
        // With the versions that it was tested with, or, where the registry lacks one of them, with
        // those that suit.
        shell::run("cargo", &[&all[..], &["--locked"]].concat())
            .or_else(|_| shell::run("cargo", &all))
    }

    /// The command that starts it on [`Peer::port`] of IPv4 loopback, open to everyone.
    pub fn arguments(&self) -> Result<Vec<String>> {
        let address = format!("127.0.0.1:{}", self.port);
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Ok(match self.name {
            "moq-relay-ietf" => {
                let (certificate, key) = certificate()?;
                let coordinator = folder().join("coordinator.json");
                // What an earlier start left there would be a relay that is gone.
                let _ = std::fs::remove_file(&coordinator);
                words(&[
                    "--bind",
                    &address,
                    "--tls-cert",
                    &certificate.to_string_lossy(),
                    "--tls-key",
                    &key.to_string_lossy(),
                    "--coordinator-file",
                    &coordinator.to_string_lossy(),
                ])
            }
            _ => words(&[
                "--listen",
                &address,
                "--listen-tls-generate",
                "localhost",
                "--auth-public",
                "**",
            ]),
        })
    }
}

/// Installs all that can be had; an error if none can.
pub fn install(options: &[&str]) -> Result<()> {
    if let Some(unknown) = options.first() {
        bail!("`cargo xtask peers` takes no option, got {unknown}");
    }
    let mut missing = 0;
    for peer in ALL {
        if let Err(error) = peer.install() {
            println!("{} {} cannot be had: {error}", peer.name, peer.requirement);
            missing += 1;
        }
    }
    for peer in ALL {
        let version = peer.version().unwrap_or_else(|| "missing".to_owned());
        println!("{} {version}", peer.name);
    }
    if missing == ALL.len() {
        bail!("no peer can be had");
    }
    Ok(())
}

fn folder() -> PathBuf {
    shell::root().join("target/peers")
}

/// A certificate that signed itself and its key, as PEM files.
fn certificate() -> Result<(PathBuf, PathBuf)> {
    let (certificate, key) = (folder().join("certificate.pem"), folder().join("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "10", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out"])
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output();
    match made {
        Ok(output) if output.status.success() => Ok((certificate, key)),
        Ok(output) => bail!("openssl: {}", String::from_utf8_lossy(&output.stderr)),
        Err(_) => bail!("a certificate for moq-relay-ietf needs openssl"),
    }
}
