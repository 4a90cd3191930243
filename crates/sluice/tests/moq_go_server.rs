//! The built program under the name and with the flags of moq-go-server.
#![cfg(unix)]

mod support;

use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use sluice_net::dev_certificate::DevCertificate;
use sluice_proto::wire::Draft;
use support::{Relay, pem};
use tempfile::TempDir;

/// A link to the program in a folder of its own.
fn link() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let link = folder.path().join("moq-go-server");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sluice"), &link).expect("a link");
    (folder, link)
}

#[test]
fn a_link_of_that_name_is_a_relay_with_its_flags() {
    let (_folder, link) = link();
    let made = DevCertificate::generate(SystemTime::now(), &[]).expect("made");
    let chain = pem("CERTIFICATE", &made.certificate);
    let key = pem("PRIVATE KEY", made.key.secret_der());
    let relay = Relay::of(
        Command::new(&link)
            .args(["-listen_addr", "127.0.0.1:0"])
            .arg(format!("--tls_cert={}", chain.path().display()))
            .arg("--tls_key")
            .arg(key.path())
            .args(["-obj_exp_ms=60000", "-cache_cleanup_period_ms", "5000"])
            .args(["-http_conn_time_out_ms", "5000"]),
    );
    assert_eq!(relay.certificate, made.hash);
    support::runtime().block_on(async {
        for draft in Draft::ALL {
            relay.connect("https", draft).await.close().await;
        }
    });
}

#[test]
fn without_a_certificate_it_looks_where_moq_go_server_did() {
    let (folder, link) = link();
    let run = Command::new(&link).current_dir(folder.path()).output().expect("it starts");
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot read ../certs/certificate.pem"), "{said}");
}
