//! A publisher that is lost in the middle of an object: what its viewer has and is told.

use anyhow::{Result, ensure};

use super::cell::Peer;
use super::content;
use super::control::{Answer, Request};
use super::data::{Incoming, Item, Subgroup, SubgroupWriter};
use super::object::Object;

/// A viewer in the middle of an object whose publisher will send nothing more of it.
pub struct Cut {
    request: Request,
    stream: Incoming,
    /// Would end the stream if it were dropped.
    _open: SubgroupWriter,
}

const ALIAS: u64 = 8;
/// The stream's reset: the session of its publisher is gone.
const SESSION_CLOSED: u64 = 3;
/// PUBLISH_DONE's status: nobody said why.
const INTERNAL_ERROR: u64 = 0;

impl Cut {
    /// Publishes two objects and half of a third, and watches them.
    pub async fn prepare(
        publisher: &mut Peer,
        viewer: &mut Peer,
        namespace: &[&str],
    ) -> Result<Cut> {
        let request = viewer.client.subscribe(namespace, "cut", false).await?;
        let asked = publisher.client.next_subscribe().await?;
        ensure!(asked.track == b"cut", "the publisher is asked for {:?}", asked.track);
        let properties = content::track_properties(publisher.draft);
        let answer = Answer { alias: ALIAS, properties, largest: None };
        publisher.client.accept_subscribe(asked.request, &answer).await?;
        viewer.client.subscribed(request).await?;

        let whole = [0, 1].map(|id| Object::new(4, Some(0), id, Vec::new()));
        let half = Object::new(4, Some(0), 2, Vec::new()).with_payload(vec![9; 20_000]);
        let header = Subgroup { alias: ALIAS, ..content::header(&whole[0]) };
        let mut writer = SubgroupWriter::open(&publisher.data, publisher.draft, header).await?;
        for object in &whole {
            writer.write(object).await?;
        }
        let bytes = writer.encode(&half)?;
        writer.write_bytes(&bytes[..bytes.len() / 2]).await?;

        let mut stream = Incoming::accept(&viewer.data, viewer.draft).await?;
        for object in whole {
            let seen = stream.next().await?;
            ensure!(seen == Some(Item::Object(object)), "before the cut came {seen:?}");
        }
        // Its head is shorter than the other half.
        stream.arrived(half.payload.len() / 4).await?;
        Ok(Cut { request, stream, _open: writer })
    }

    /// The publisher is gone: the stream is reset, and the subscription ends after a while in which
    /// another could have come.
    pub async fn check(self, viewer: &mut Peer) -> Result<()> {
        let code = self.stream.reset_code().await?;
        ensure!(code == SESSION_CLOSED, "the stream was reset with {code:#x}");
        let done = viewer.client.done(self.request).await?;
        ensure!(done == (INTERNAL_ERROR, 1), "status and streams came as {done:?}");
        Ok(())
    }
}
