//! Our own client library, connected to the relay of a test.

use sluice_client::{Client, ConnectOptions, Target, Trust};
use sluice_proto::wire::Draft;

use super::Relay;

impl Relay {
    /// Where to connect, by `moqt` or `https`.
    pub fn target(&self, scheme: &str) -> Target {
        self.url(scheme).parse().expect("a target")
    }

    /// How to connect: with these drafts, believing this relay's certificate.
    pub fn options(&self, drafts: &[Draft]) -> ConnectOptions {
        ConnectOptions {
            drafts: drafts.to_vec(),
            trust: Trust::CertificateHashes(vec![self.certificate]),
            ..ConnectOptions::default()
        }
    }

    /// A client of one draft.
    pub async fn connect(&self, scheme: &str, draft: Draft) -> Client {
        let connected = Client::connect(&self.target(scheme), self.options(&[draft])).await;
        connected.unwrap_or_else(|error| panic!("{scheme} {draft}: {error}"))
    }
}
