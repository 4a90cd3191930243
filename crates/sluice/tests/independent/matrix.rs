//! Every draft's publishers reach every draft's subscribers, over both transports.

use std::time::Duration;

use anyhow::{Context, anyhow};
use moqtap_codec::version::DraftVersion;
use sluice_proto::wire::Draft;

use super::cell;
use super::dial::Carrier;
use super::table;
use crate::support::{self, Relay};

/// What the library calls a draft of ours.
pub fn version(draft: Draft) -> DraftVersion {
    DraftVersion::from_number(draft.number()).expect("the library knows the draft")
}

#[test]
fn every_draft_reaches_every_other_over_both_transports() {
    // It takes as many connections as this has room for: all cells at once have more than 640.
    let relay = Relay::start(&["--memory-max", "2GiB"]);
    let address = relay.address;
    let results = support::runtime().block_on(async {
        let mut cells = tokio::task::JoinSet::new();
        for carrier in Carrier::ALL {
            for from in Draft::ALL.map(version) {
                for to in Draft::ALL.map(version) {
                    cells.spawn(async move {
                        let run = cell::run(address, carrier, from, to);
                        let limited = tokio::time::timeout(Duration::from_secs(90), run);
                        let result = match limited.await {
                            Ok(result) => result,
                            Err(_) => Err(anyhow!("takes too long")),
                        };
                        let name = format!("{} to {} over {carrier}", from.number(), to.number());
                        ((from.number(), to.number(), carrier), result.context(name))
                    });
                }
            }
        }
        cells.join_all().await
    });
    let cells = results.len();
    let (mut found, mut failures) = (table::Results::new(), Vec::new());
    for (cell, result) in results {
        match result {
            Ok(findings) => drop(found.insert(cell, findings)),
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    failures.sort();
    assert!(failures.is_empty(), "{} of {cells} cells:\n{}", failures.len(), failures.join("\n"));
    table::check(&found);
}

#[test]
fn a_subscriber_holds_the_first_half_of_an_object_whose_second_was_not_sent() {
    let relay = Relay::start(&[]);
    support::runtime().block_on(async {
        for carrier in Carrier::ALL {
            let drafts = Draft::ALL.map(version);
            for (index, &from) in drafts.iter().enumerate() {
                let to = drafts[(index + 1) % drafts.len()];
                let run = cell::cut_through(relay.address, carrier, from, to);
                let limited = tokio::time::timeout(Duration::from_secs(20), run).await;
                limited
                    .unwrap_or_else(|_| Err(anyhow!("the first half does not arrive")))
                    .unwrap_or_else(|error| panic!("{from:?} to {to:?} over {carrier}: {error:#}"));
            }
        }
    });
}
