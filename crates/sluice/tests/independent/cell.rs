//! One cell of the matrix: a publisher of one draft, a subscriber of another, one transport, and
//! every feature of the relay between them.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use moqtap_client::transport::Transport;
use moqtap_codec::version::DraftVersion;

use super::content;
use super::control::{Answer, Asked, Client, Range, Request};
use super::data::{self, Incoming, Item, Subgroup, SubgroupWriter};
use super::dial::{Carrier, Detour, Link};
use super::fetch;
use super::loss::Cut;
use super::object::Object;
use super::rules::{self, Rules};

/// What is tested in each cell, in the order of the table's columns.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Feature {
    /// PUBLISH_NAMESPACE reaches who watches the prefix.
    Namespaces,
    /// SUBSCRIBE reaches the publisher, SUBSCRIBE_OK with track properties comes back.
    Subscribe,
    /// Objects of several subgroups and groups with gaps and properties, and their marks.
    Subgroups,
    /// Objects in datagrams with properties, and a mark.
    Datagrams,
    /// A fetch of what the relay still holds.
    FetchHeld,
    /// A fetch of what only the publisher has.
    FetchAsked,
    /// The current group from its start: a joining fetch, or a fill.
    Join,
    /// PUBLISH reaches who watches the prefix, with its objects.
    Publish,
    /// PUBLISH_DONE with its status and the number of streams.
    End,
    /// The publisher vanishes, or closes its session, in the middle of an object.
    Loss,
}

impl Feature {
    /// All of them.
    pub const ALL: [Feature; 10] = [
        Feature::Namespaces,
        Feature::Subscribe,
        Feature::Subgroups,
        Feature::Datagrams,
        Feature::FetchHeld,
        Feature::FetchAsked,
        Feature::Join,
        Feature::Publish,
        Feature::End,
        Feature::Loss,
    ];

    /// Head of its column.
    pub fn title(self) -> &'static str {
        match self {
            Feature::Namespaces => "namespaces",
            Feature::Subscribe => "SUBSCRIBE",
            Feature::Subgroups => "subgroups",
            Feature::Datagrams => "datagrams",
            Feature::FetchHeld => "fetch, held",
            Feature::FetchAsked => "fetch, asked",
            Feature::Join => "join",
            Feature::Publish => "PUBLISH",
            Feature::End => "end",
            Feature::Loss => "loss",
        }
    }
}

/// One end of a cell.
pub struct Peer {
    /// Its requests.
    pub client: Client,
    /// Its data streams and datagrams.
    pub data: Transport,
    /// What it speaks.
    pub draft: DraftVersion,
}

impl Peer {
    async fn connect(relay: SocketAddr, carrier: Carrier, draft: DraftVersion) -> Result<Peer> {
        Peer::connect_with(relay, carrier, draft, quinn::TransportConfig::default()).await
    }

    async fn connect_with(
        relay: SocketAddr,
        carrier: Carrier,
        draft: DraftVersion,
        config: quinn::TransportConfig,
    ) -> Result<Peer> {
        let link = Link::dial(relay, carrier, draft, config).await?;
        let client = Client::connect(&link, carrier, draft).await?;
        Ok(Peer { client, data: link.transport(), draft })
    }

    /// Fetches as a subscriber.
    async fn fetch(&mut self, path: &str, track: &str, range: Range) -> Result<Vec<Object>> {
        let request = self.client.fetch(&["matrix", path, "cam"], track, range).await?;
        self.client.fetched(request).await?;
        let incoming = Incoming::accept(&self.data, self.draft).await?;
        ensure!(incoming.request()? == request.0, "a fetch stream of another request came");
        objects(incoming.rest().await?)
    }

    /// Takes the relay's subscription, should it want one, and answers every FETCH of a track, as
    /// a publisher; only an error ends it.
    async fn serve(&mut self, track: &str, objects: &[Object], subscribed: bool) -> Result<()> {
        let last = objects.iter().map(|object| (object.group, object.id)).max();
        let last = last.context("a track without an object")?;
        if !subscribed {
            let asked = self.client.next_subscribe().await?;
            let answer = Answer {
                alias: ALIAS_OF_ARCHIVE,
                properties: content::track_properties(self.draft),
                largest: Some(last),
            };
            self.client.accept_subscribe(asked.request, &answer).await?;
        }
        loop {
            let (asked, range) = self.client.next_fetch().await?;
            ensure!(asked.track == track.as_bytes(), "the relay fetches {:?}", asked.track);
            let mut answer = within(objects, range);
            if !rules::has_old_statuses(self.draft) {
                answer.retain(|object| object.status == 0);
            }
            answer.sort();
            let end = match range.id {
                Some(id) => last.min((range.group, id)),
                None => last.min((range.group, u64::MAX >> 3)),
            };
            self.client.accept_fetch(asked.request, end, end == last).await?;
            let mut stream = self.data.open_uni().await?;
            stream.write_all(&fetch::encode(self.draft, asked.request.0, &answer)?).await?;
            stream.finish()?;
        }
    }
}

/// What a cell found.
pub type Findings = Vec<(Feature, Rules)>;

const ALIAS_OF_VIDEO: u64 = 3;
const ALIAS_OF_DATAGRAMS: u64 = 4;
const ALIAS_OF_JOINED: u64 = 5;
const ALIAS_OF_OFFERED: u64 = 6;
const ALIAS_OF_ARCHIVE: u64 = 7;
/// A part of a cell that takes longer never ends.
const STEP_MAX: Duration = Duration::from_secs(30);
/// A datagram that has not come by then is sent again.
const LOST_AFTER: Duration = Duration::from_secs(3);
const TRACK_ENDED: u64 = 2;
/// A peer that has been silent for this long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// A session's code for "internal error".
const INTERNAL_ERROR: u32 = 1;
/// More than the head of an object without properties takes.
const HEAD_BYTES_MAX: usize = 32;

/// Runs a cell.
pub async fn run(
    relay: SocketAddr,
    carrier: Carrier,
    from: DraftVersion,
    to: DraftVersion,
) -> Result<Findings> {
    let mut cell = Cell::new(relay, carrier, from, to).await?;
    cell.run().await?;
    Ok(cell.findings)
}

/// A subscriber holds the first half of a large object while the publisher has not sent the second.
pub async fn cut_through(
    relay: SocketAddr,
    carrier: Carrier,
    from: DraftVersion,
    to: DraftVersion,
) -> Result<()> {
    Cell::new(relay, carrier, from, to).await?.cut_through().await
}

/// A part of a cell, by its name when it fails or takes too long.
async fn step<T>(name: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let done = tokio::time::timeout(STEP_MAX, work).await;
    done.unwrap_or_else(|_| Err(anyhow!("takes too long"))).context(name)
}

struct Cell {
    relay: SocketAddr,
    carrier: Carrier,
    publisher: Peer,
    subscriber: Peer,
    late: Peer,
    path: String,
    findings: Findings,
}

impl Cell {
    async fn new(
        relay: SocketAddr,
        carrier: Carrier,
        from: DraftVersion,
        to: DraftVersion,
    ) -> Result<Cell> {
        let publisher = Peer::connect(relay, carrier, from).await.context("the publisher")?;
        let subscriber = Peer::connect(relay, carrier, to).await.context("the subscriber")?;
        let late = Peer::connect(relay, carrier, to).await.context("a second subscriber")?;
        let path = format!("{carrier:?}-{}-{}", from.number(), to.number());
        Ok(Cell { relay, carrier, publisher, subscriber, late, path, findings: Vec::new() })
    }

    async fn cut_through(&mut self) -> Result<()> {
        let (from, to) = self.drafts();
        self.publisher.client.publish_namespace(&["matrix", &self.path, "cam"]).await?;
        self.subscription("large", ALIAS_OF_VIDEO).await?;
        let payload = (0..1u32 << 20).map(|index| (index / 4) as u8).collect();
        let object = Object::new(0, Some(0), 0, Vec::new()).with_payload(payload);
        let header = Subgroup {
            alias: ALIAS_OF_VIDEO,
            group: 0,
            subgroup: 0,
            named_by_first: false,
            ends_group: false,
            priority: content::PRIORITY,
        };
        let mut writer = SubgroupWriter::open(&self.publisher.data, from, header).await?;
        let bytes = writer.encode(&object)?;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        writer.write_bytes(first).await?;
        let mut incoming = Incoming::accept(&self.subscriber.data, to).await?;
        // Before the payload stands a head, which takes more bytes in one draft than in another.
        let arrived = incoming.arrived(first.len() - HEAD_BYTES_MAX).await?;
        let begins = |head: &usize| object.payload.starts_with(&arrived[*head..]);
        ensure!((1..HEAD_BYTES_MAX).any(|head| begins(&head)), "what arrived is something else");
        writer.write_bytes(second).await?;
        writer.finish()?;
        same(&[object], &objects(incoming.rest().await?)?)
    }

    async fn run(&mut self) -> Result<()> {
        let (_vanished, lost) = step("a publisher that will vanish", self.vanish()).await?;
        step("namespaces", self.namespaces()).await?;
        let (asked, subscription) = step("SUBSCRIBE", self.subscribe()).await?;
        let streams = step("subgroups", self.subgroups()).await?;
        step("datagrams", self.datagrams()).await?;
        step("joining in the middle of a group", self.join()).await?;
        step("fetch of what is held", self.fetch_held()).await?;
        step("fetch of what only the publisher has", self.fetch_asked()).await?;
        step("PUBLISH", self.publish()).await?;
        step("end of a track", self.end(&asked, subscription, streams)).await?;
        let closed = step("a publisher that closes its session", self.close()).await?;
        step("the publisher that vanished", lost.check(&mut self.late)).await?;
        step("the publisher that closed", closed.check(&mut self.late)).await?;
        self.found(Feature::Loss, Rules::new());
        Ok(())
    }

    fn drafts(&self) -> (DraftVersion, DraftVersion) {
        (self.publisher.draft, self.subscriber.draft)
    }

    fn found(&mut self, feature: Feature, rules: Rules) {
        self.findings.push((feature, rules));
    }

    async fn namespaces(&mut self) -> Result<()> {
        self.subscriber.client.watch(&["matrix", &self.path]).await?;
        self.publisher.client.publish_namespace(&["matrix", &self.path, "cam"]).await?;
        let seen = self.subscriber.client.next_namespace().await?;
        let expected: Vec<Vec<u8>> =
            ["matrix", &self.path, "cam"].iter().map(|field| field.as_bytes().to_vec()).collect();
        ensure!(seen == expected, "{expected:?} arrived as {seen:?}");
        self.found(Feature::Namespaces, Rules::new());
        Ok(())
    }

    /// One subscription through the relay; returns what the publisher was asked and the
    /// subscriber's request.
    async fn subscription(&mut self, track: &str, alias: u64) -> Result<(Asked, Request, Rules)> {
        let (from, to) = self.drafts();
        let fields = ["matrix", &self.path, "cam"];
        let request = self.subscriber.client.subscribe(&fields, track, false).await?;
        let asked = self.publisher.client.next_subscribe().await?;
        ensure!(asked.track == track.as_bytes(), "the publisher is asked for {:?}", asked.track);
        let sent = content::track_properties(from);
        let answer = Answer { alias, properties: sent.clone(), largest: None };
        self.publisher.client.accept_subscribe(asked.request, &answer).await?;
        let accepted = self.subscriber.client.subscribed(request).await?;
        let mut rules = Rules::new();
        rules::track_properties(&sent, &accepted.properties, (from, to), &mut rules)?;
        Ok((asked, request, rules))
    }

    async fn subscribe(&mut self) -> Result<(Asked, Request)> {
        let (asked, request, rules) = self.subscription("video", ALIAS_OF_VIDEO).await?;
        self.found(Feature::Subscribe, rules);
        Ok((asked, request))
    }

    /// Returns how many streams the publisher opened.
    async fn subgroups(&mut self) -> Result<u64> {
        let (from, to) = self.drafts();
        let sent = content::streams(from);
        for (header, objects) in &sent {
            let header = Subgroup { alias: ALIAS_OF_VIDEO, ..*header };
            let mut writer = SubgroupWriter::open(&self.publisher.data, from, header).await?;
            for object in objects {
                writer.write(object).await?;
            }
            writer.finish()?;
        }
        let mut rules = Rules::new();
        let mut seen = Vec::new();
        for _ in &sent {
            let incoming = Incoming::accept(&self.subscriber.data, to).await;
            let incoming = incoming.with_context(|| format!("after {seen:#?}"))?;
            let header = incoming.subgroup()?;
            ensure!(header.priority == content::PRIORITY, "priority is {}", header.priority);
            let objects = objects(incoming.rest().await?)?;
            seen.push((header.group, header.ends_group, objects));
        }
        seen.sort();
        for ((header, objects), (group, ends_group, arrived)) in sent.iter().zip(&seen) {
            let expected = rules::live(objects, from, to, &mut rules);
            same(&expected, arrived)?;
            ensure!(
                (header.group, header.ends_group) == (*group, *ends_group),
                "the stream of group {} that ends it: {} arrived as group {group}: {ends_group}",
                header.group,
                header.ends_group
            );
        }
        self.found(Feature::Subgroups, rules);
        Ok(sent.len() as u64)
    }

    async fn datagrams(&mut self) -> Result<()> {
        let (from, to) = self.drafts();
        self.subscription("datagrams", ALIAS_OF_DATAGRAMS).await?;
        let sent = content::datagrams(from);
        let mut rules = Rules::new();
        let expected = rules::live(&sent, from, to, &mut rules);
        let mut seen = Vec::new();
        let mut resend = tokio::time::interval(LOST_AFTER);
        while seen.len() < expected.len() {
            tokio::select! {
                received = data::receive_datagram(&self.subscriber.data, to) => {
                    seen.push(received.with_context(|| format!("after {seen:#?}"))?.1);
                }
                // Datagrams may be lost on a busy machine; the relay passes each object on once.
                _ = resend.tick() => for object in &sent {
                    data::send_datagram(&self.publisher.data, from, ALIAS_OF_DATAGRAMS, object)?;
                },
            }
        }
        seen.sort();
        same(&expected, &seen)?;
        self.found(Feature::Datagrams, rules);
        Ok(())
    }

    /// The publisher answers no FETCH meanwhile: all of it comes from the relay.
    async fn fetch_held(&mut self) -> Result<()> {
        let (from, to) = self.drafts();
        let mut rules = Rules::new();
        for (track, sent) in
            [("joined", content::group(from)), ("datagrams", content::datagrams(from))]
        {
            for range in ranges(&sent) {
                let seen = self.subscriber.fetch(&self.path, track, range).await;
                let seen = seen.with_context(|| format!("{track}, {range:?}"))?;
                let expected = rules::fetched(&within(&sent, range), from, to, &mut rules);
                same(&expected, &seen).with_context(|| format!("{track}, {range:?}"))?;
            }
        }
        self.found(Feature::FetchHeld, rules);
        Ok(())
    }

    /// The publisher answers: the whole of one track, and of another what may be in its gaps.
    async fn fetch_asked(&mut self) -> Result<()> {
        let (from, to) = self.drafts();
        let mut rules = Rules::new();
        let video = content::streams(from).into_iter().flat_map(|(_, objects)| objects).collect();
        for (track, sent) in [("archive", content::archive(from)), ("video", video)] {
            for (index, range) in ranges(&sent).into_iter().enumerate() {
                let subscribed = track == "video" || index > 0;
                let seen = tokio::select! {
                    seen = self.subscriber.fetch(&self.path, track, range) => seen,
                    failed = self.publisher.serve(track, &sent, subscribed) => failed.map(|()| Vec::new()),
                };
                let seen = seen.with_context(|| format!("{track}, {range:?}"))?;
                let expected = rules::fetched(&within(&sent, range), from, to, &mut rules);
                same(&expected, &seen).with_context(|| format!("{track}, {range:?}"))?;
            }
        }
        self.found(Feature::FetchAsked, rules);
        Ok(())
    }

    async fn join(&mut self) -> Result<()> {
        let (from, to) = self.drafts();
        self.subscription("joined", ALIAS_OF_JOINED).await?;
        let sent = content::group(from);
        let header = Subgroup { alias: ALIAS_OF_JOINED, ..content::header(&sent[0]) };
        let mut writer = SubgroupWriter::open(&self.publisher.data, from, header).await?;
        let (past, new) = sent.split_at(2);
        let mut first = None;
        for object in past {
            writer.write(object).await?;
            let reader = match &mut first {
                Some(reader) => reader,
                none => none.insert(Incoming::accept(&self.subscriber.data, to).await?),
            };
            reader.next().await?.context("the first subscriber's stream ended")?;
        }
        let fields = ["matrix", &self.path, "cam"];
        let late = &mut self.late;
        let subscription = late.client.subscribe(&fields, "joined", true).await?;
        late.client.subscribed(subscription).await?;
        let joining = late.client.join(subscription).await?;
        if let Some(joining) = joining {
            late.client.fetched(joining).await?;
        }
        for object in new {
            writer.write(object).await?;
        }
        writer.finish()?;
        let (mut filled, mut live) = (None, None);
        for _ in 0..2 {
            let incoming = Incoming::accept(&late.data, to).await?;
            match incoming.request() {
                Ok(request) => {
                    ensure!(request == joining.unwrap_or(subscription).0, "{request} is answered");
                    filled = Some(objects(incoming.rest().await?)?);
                }
                Err(_) => live = Some(objects(incoming.rest().await?)?),
            }
        }
        let mut rules = Rules::new();
        let expected = rules::fetched(past, from, to, &mut rules);
        same(&expected, &filled.context("no fetch stream")?).context("the group's past")?;
        let expected = rules::live(new, from, to, &mut rules);
        same(&expected, &live.context("no live stream")?).context("the group's rest")?;
        self.found(Feature::Join, rules);
        Ok(())
    }

    async fn publish(&mut self) -> Result<()> {
        let (from, to) = self.drafts();
        let fields = ["matrix", &self.path, "cam"];
        let properties = content::track_properties(from);
        let request = self
            .publisher
            .client
            .publish(&fields, "offered", ALIAS_OF_OFFERED, &properties)
            .await?;
        let (offered, accepted) = self.subscriber.client.accept_publish().await?;
        ensure!(offered.track == b"offered", "{:?} is offered", offered.track);
        // Not every publisher waits to be wanted, and what is sent before the relay has the answer
        // is past where the answer brings FORWARD 1: it has it once it answers what followed.
        let [held, _] = ranges(&content::group(from));
        self.subscriber.fetch(&self.path, "joined", held).await?;
        let mut rules = Rules::new();
        rules::track_properties(&properties, &accepted.properties, (from, to), &mut rules)?;
        self.publisher.client.wanted(request).await?;
        let sent = content::group(from);
        let header = Subgroup { alias: ALIAS_OF_OFFERED, ..content::header(&sent[0]) };
        let mut writer = SubgroupWriter::open(&self.publisher.data, from, header).await?;
        for object in &sent {
            writer.write(object).await?;
        }
        writer.finish()?;
        let incoming = Incoming::accept(&self.subscriber.data, to).await?;
        same(&rules::live(&sent, from, to, &mut rules), &objects(incoming.rest().await?)?)?;
        self.publisher.client.finish(request, 1).await?;
        let (status, streams) = self.subscriber.client.done(offered.request).await?;
        ensure!((status, streams) == (TRACK_ENDED, 1), "the end came as {status}, {streams}");
        self.found(Feature::Publish, rules);
        Ok(())
    }

    async fn end(&mut self, asked: &Asked, request: Request, streams: u64) -> Result<()> {
        self.publisher.client.finish(asked.request, streams).await?;
        let done = self.subscriber.client.done(request).await?;
        ensure!(done == (TRACK_ENDED, streams), "status and streams came as {done:?}");
        self.found(Feature::End, Rules::new());
        Ok(())
    }

    /// A publisher of another track is not heard of any more. The relay will notice while the rest of
    /// the cell runs.
    async fn vanish(&mut self) -> Result<(Peer, Cut)> {
        let mut config = quinn::TransportConfig::default();
        config.max_idle_timeout(Some(SILENCE_MAX.try_into()?));
        config.keep_alive_interval(Some(SILENCE_MAX / 8));
        let detour = Detour::to(self.relay).await?;
        let (carrier, from) = (self.carrier, self.publisher.draft);
        let mut publisher = Peer::connect_with(detour.address, carrier, from, config).await?;
        let namespace = ["vanishing", &self.path];
        publisher.client.publish_namespace(&namespace).await?;
        let cut = Cut::prepare(&mut publisher, &mut self.late, &namespace).await?;
        drop(detour);
        Ok((publisher, cut))
    }

    async fn close(&mut self) -> Result<Cut> {
        let namespace = ["matrix", &self.path, "cam"];
        let cut = Cut::prepare(&mut self.publisher, &mut self.late, &namespace).await?;
        self.publisher.data.close(INTERNAL_ERROR, b"the encoder failed");
        Ok(cut)
    }
}

/// All of a track, and a part of its first group.
fn ranges(sent: &[Object]) -> [Range; 2] {
    let (first, last) = (sent[0].group, sent[sent.len() - 1].group);
    [
        Range { from: (first, 0), group: last, id: None },
        Range { from: (first, 1), group: first, id: Some(3) },
    ]
}

fn within(sent: &[Object], range: Range) -> Vec<Object> {
    let inside = |object: &&Object| range.contains(object.group, object.id);
    sent.iter().filter(inside).cloned().collect()
}

/// The objects among what a stream carried; an end of a range is no object.
fn objects(items: Vec<Item>) -> Result<Vec<Object>> {
    let mut objects = Vec::new();
    for item in items {
        if let Item::Object(object) = item {
            objects.push(object);
        }
    }
    Ok(objects)
}

/// Says what differs.
fn same(expected: &[Object], seen: &[Object]) -> Result<()> {
    let missing: Vec<_> = expected.iter().filter(|object| !seen.contains(object)).collect();
    let strange: Vec<_> = seen.iter().filter(|object| !expected.contains(object)).collect();
    ensure!(
        missing.is_empty() && strange.is_empty(),
        "expected but did not arrive: {missing:#?}\narrived but was not expected: {strange:#?}"
    );
    ensure!(expected == seen, "the order is {seen:#?}");
    Ok(())
}
