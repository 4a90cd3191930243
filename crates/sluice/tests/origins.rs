//! Relays that feed each other, as processes: what a viewer at one end sees of a publisher at the
//! other, and what becomes of it when those between them die.
#![allow(clippy::print_stdout, reason = "figures for people")]

mod support;

use std::collections::BTreeSet;
use std::future::Future;
use std::process::Command;
use std::time::{Duration, Instant};

use rcgen::CertificateParams;
use sluice_client::{Client, Join, NamespaceNews, Object, Reader, TrackWriter};
use sluice_proto::model::{
    FullTrackName, GroupId, Location, LocationFilter, RangeEnd, TrackName, TrackNamespace,
    TrackProperties,
};
use sluice_proto::wire::Draft;
use support::Relay;
use support::origin::Place;
use tokio::sync::mpsc;

/// Origins that are killed say nothing: the shorter this is, the sooner it is noticed.
const SOON: [&str; 2] = ["--origin-timeout", "500ms"];

fn run(scenario: impl Future<Output = ()>) {
    support::runtime().block_on(async {
        tokio::time::timeout(Duration::from_secs(120), scenario).await.expect("it ends in time");
    });
}

fn namespace() -> TrackNamespace {
    TrackNamespace::from_path("live/cam").unwrap()
}

fn track() -> FullTrackName {
    FullTrackName::new(namespace(), TrackName::new("video").unwrap()).unwrap()
}

async fn publisher(relay: &Relay, draft: Draft) -> (Client, TrackWriter) {
    let client = relay.connect("moqt", draft).await;
    client.publish_namespace(namespace()).await.unwrap();
    let writer = client.open_track(track(), TrackProperties::default());
    (client, writer)
}

async fn next(reader: &mut Reader) -> (String, Vec<u8>) {
    let object = reader.next().await.unwrap().expect("the subscription goes on");
    (object.location.to_string(), object.payload.to_vec())
}

/// First a relay for publishers, last one for viewers.
struct Chain {
    places: [Place; 3],
    relays: [Relay; 3],
}

impl Chain {
    /// Each hop with its own draft and carrier.
    fn start(hops: [(&str, Draft); 2]) -> Chain {
        let places = [Place::new(), Place::new(), Place::new()];
        let relays = [0, 1, 2].map(|at| Self::start_one(&places, at, hops));
        relays[2].logged(&["origin is there"]);
        relays[1].logged(&["origin is there"]);
        Chain { places, relays }
    }

    fn start_one(places: &[Place; 3], at: usize, hops: [(&str, Draft); 2]) -> Relay {
        let Some(before) = at.checked_sub(1) else { return places[0].start(&[], &SOON) };
        let (scheme, draft) = hops[before];
        let mut fields = format!(r#", "drafts": ["{draft}"]"#);
        if draft == Draft::D01 {
            // It knows no prefixes.
            fields.push_str(r#", "tracknamespace": "live/cam""#);
        }
        places[at].start(&[places[before].entry(scheme, &fields)], &SOON)
    }

    /// Kills a relay by its process id and starts it again.
    fn restart(&mut self, at: usize, hops: [(&str, Draft); 2]) {
        kill(&mut self.relays[at]);
        self.relays[at] = Self::start_one(&self.places, at, hops);
    }
}

fn kill(relay: &mut Relay) {
    let killed = Command::new("kill").args(["-KILL", &relay.id().to_string()]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    relay.wait();
}

#[test]
fn a_chain_of_three_relays_carries_every_draft_to_every_draft() {
    let drafts = &Draft::ALL;
    for (index, first) in drafts.iter().enumerate() {
        let second = drafts[(index + 1) % drafts.len()];
        let chain = Chain::start([("moqt", *first), ("https", second)]);
        run(async {
            let (_publisher, mut writer) = publisher(&chain.relays[0], second).await;
            writer.write(Object::new(0, 0, "old")).await.unwrap();
            writer.end_group(GroupId(0));
            writer.write(Object::new(1, 0, "key")).await.unwrap();
            let mut readers = Vec::new();
            for draft in drafts {
                let viewer = chain.relays[2].connect("moqt", *draft).await;
                let mut reader = viewer.subscribe(track(), Join::CurrentGroup).await.unwrap();
                let first = next(&mut reader).await;
                assert_eq!(first, ("1/0".to_owned(), b"key".to_vec()), "{draft}: joined");
                readers.push((viewer, reader));
            }
            writer.wanted().await.unwrap();
            writer.write(Object::new(1, 1, vec![7; 50_000])).await.unwrap();
            writer.end_group(GroupId(1));
            for (_, reader) in &mut readers {
                assert_eq!(next(reader).await, ("1/1".to_owned(), vec![7; 50_000]));
            }
            let range = RangeEnd { group: GroupId(1), object: None };
            let range = LocationFilter::Range(Location::ZERO, range);
            let mut past = readers[0].0.fetch(track(), range).await.unwrap();
            let mut places = Vec::new();
            while let Some(object) = past.next().await.unwrap() {
                places.push(object.location.to_string());
            }
            assert_eq!(places, ["0/0", "1/0", "1/1"]);
            let mut watch = readers[0].0.watch_namespaces(namespace()).await.unwrap();
            assert!(matches!(watch.next().await, Some(NamespaceNews::Announced(_))));
        });
    }
}

#[test]
fn an_origin_that_goes_away_is_followed_to_where_it_says_it_can_be_had() {
    for draft in Draft::ALL {
        let (first, near) = (Place::new(), Place::new());
        let next_place = first.beside();
        let uri = format!("https://localhost:{}/moq", next_place.port());
        let leaving = first.start(&[], &["--drain", "60s", "--goaway-uri", &uri]);
        let taking = next_place.start(&[], &[]);
        let drafts = format!(r#", "drafts": ["{draft}"]"#);
        let relay = near.start(&[first.entry("moqt", &drafts)], &SOON);
        relay.logged(&["origin is there"]);
        run(async {
            let (_old, mut old) = publisher(&leaving, draft).await;
            let (_new, mut new) = publisher(&taking, draft).await;
            let viewer = relay.connect("moqt", draft).await;
            let mut reader = viewer.subscribe(track(), Join::NextObject).await.unwrap();
            old.wanted().await.unwrap();
            old.write(Object::new(0, 0, "old")).await.unwrap();
            assert_eq!(next(&mut reader).await, ("0/0".to_owned(), b"old".to_vec()), "{draft}");

            leaving.terminate();
            relay.logged(&["origin is there", &uri]);
            new.wanted().await.unwrap();
            new.write(Object::new(1, 0, "new")).await.unwrap();
            assert_eq!(next(&mut reader).await, ("1/0".to_owned(), b"new".to_vec()), "{draft}");
        });
    }
}

/// A relay of 2023/24 knows neither names of drafts nor what else there is today.
#[test]
fn an_origin_that_speaks_draft_01_alone_is_found_out_and_serves_every_draft() {
    let places = [Place::new(), Place::new(), Place::new()];
    let exact = r#", "tracknamespace": "live/cam""#;
    let old = ["--drafts", "01"];
    let first = places[0].start(&[], &[]);
    let middle = places[1].start(&[places[0].entry("https", exact)], &[&SOON[..], &old].concat());
    let last = places[2].start(&[places[1].entry("https", exact)], &SOON);
    for relay in [&middle, &last] {
        let there = relay.logged(&["origin is there"]);
        assert!(there.contains("draft=\"01\""), "{there}");
    }
    run(async {
        let (_publisher, mut writer) = publisher(&first, Draft::D20).await;
        let mut readers = Vec::new();
        for draft in Draft::ALL {
            let viewer = last.connect("moqt", draft).await;
            let reader = viewer.subscribe(track(), Join::NextObject).await.unwrap();
            readers.push((viewer, reader));
        }
        writer.wanted().await.unwrap();
        for object in 0..3 {
            writer.write(Object::new(1, object, vec![7; 20_000])).await.unwrap();
        }
        for (_, reader) in &mut readers {
            let mut seen = Vec::new();
            while seen.len() < 3 {
                let (place, payload) = next(reader).await;
                assert_eq!(payload.len(), 20_000);
                seen.push(place);
            }
            // Each comes on a stream of its own.
            seen.sort();
            assert_eq!(seen, ["1/0", "1/1", "1/2"]);
        }
    });
}

/// Writes an object each 20 ms, a group of 25 of them, wherever it is told to, for ever. An object
/// says when it was written, in microseconds since `began`.
async fn broadcast(
    began: Instant,
    mut relays: mpsc::Receiver<(sluice_client::Target, sluice_client::ConnectOptions)>,
) {
    let (target, options) = relays.recv().await.expect("a relay");
    let mut to = (target, options);
    let mut group = 0;
    loop {
        let Ok(client) = Client::connect(&to.0, to.1.clone()).await else { continue };
        let mut writer = client.open_track(track(), TrackProperties::default());
        client.publish_namespace(namespace()).await.unwrap();
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        let write = async {
            loop {
                group += 1;
                for object in 0..25 {
                    beat.tick().await;
                    let written = began.elapsed().as_micros().to_string();
                    if writer.write(Object::new(group, object, written)).await.is_err() {
                        return std::future::pending().await;
                    }
                }
                writer.end_group(GroupId(group));
            }
        };
        tokio::select! {
            () = write => {}
            next = relays.recv() => match next {
                Some(next) => to = next,
                None => return,
            },
        }
    }
}

/// Numbers that differ from run to run, unless `SLUICE_MOMENTS` says where to begin.
struct Moments(u64);

impl Moments {
    fn begin() -> Moments {
        let seed = std::env::var("SLUICE_MOMENTS").ok().map(|seed| seed.parse().expect("a number"));
        let seed = seed.unwrap_or(std::process::id().into());
        println!("again with the same moments: SLUICE_MOMENTS={seed}");
        Moments(seed)
    }

    fn next(&mut self, from: u64, to: u64) -> Duration {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Duration::from_millis(from + (self.0 >> 33) % (to - from))
    }
}

/// What a viewer saw.
#[derive(Default)]
struct Seen(BTreeSet<Location>);

impl Seen {
    /// Where the next object is and when it was written. It must not have come before. It may come
    /// behind later ones: in draft 01 each has a stream of its own.
    async fn next(&mut self, reader: &mut Reader) -> (Location, Duration) {
        let object = reader.next().await.unwrap().expect("the subscription goes on");
        assert!(self.0.insert(object.location), "{} came twice", object.location);
        // The end of a group says nothing.
        let written = str::from_utf8(&object.payload).unwrap().parse().unwrap_or(0);
        (object.location, Duration::from_micros(written))
    }
}

#[test]
fn a_viewers_subscription_survives_the_death_of_every_relay_before_it() {
    let hops = [("https", Draft::D01), ("moqt", Draft::D16)];
    let mut chain = Chain::start(hops);
    let mut moments = Moments::begin();
    let began = Instant::now();
    run(async {
        let (publish_at, places) = mpsc::channel(1);
        let at = |chain: &Chain| {
            let relay = &chain.relays[0];
            (relay.target("moqt"), relay.options(&[Draft::D22]))
        };
        let publishing = tokio::spawn(broadcast(began, places));
        publish_at.send(at(&chain)).await.unwrap();
        let viewer = chain.relays[2].connect("https", Draft::D14).await;
        let mut watch = viewer.watch_namespaces(namespace()).await.unwrap();
        assert!(matches!(watch.next().await, Some(NamespaceNews::Announced(_))));
        let mut reader = viewer.subscribe(track(), Join::NextObject).await.unwrap();
        let mut seen = Seen::default();
        let mut longest = Duration::ZERO;
        for round in 0..10 {
            let calm = Instant::now() + moments.next(100, 1500);
            while Instant::now() < calm {
                seen.next(&mut reader).await;
            }
            let before = *seen.0.last().expect("objects");
            let killed = Instant::now();
            chain.restart(1 - round % 2, hops);
            if round % 2 == 1 {
                publish_at.send(at(&chain)).await.unwrap();
            }
            // What was on its way may still come; then there is a gap, and what was written after it.
            let resumed = loop {
                let (place, written) = seen.next(&mut reader).await;
                if began + written > killed {
                    break place;
                }
            };
            let gap = killed.elapsed();
            longest = longest.max(gap);
            let relay = 2 - round % 2;
            println!(
                "round {round}: relay {relay} killed, {before} to {resumed} after {} ms",
                gap.as_millis()
            );
        }
        println!("{} objects, each once; longest gap {} ms", seen.0.len(), longest.as_millis());
        publishing.abort();
    });
}

#[test]
fn viewers_on_all_workers_of_a_relay_have_what_its_origin_has() {
    let (origin, edge) = (Place::new(), Place::new());
    let mut first = origin.start(&[], &["--workers", "2"]);
    let relay = edge.start(&[origin.entry("moqt", "")], &[&SOON[..], &["--workers", "3"]].concat());
    relay.logged(&["origin is there"]);
    run(async {
        let (_publisher, mut writer) = publisher(&first, Draft::D18).await;
        // Clients enough that the kernel surely gives them to different workers.
        let mut readers = Vec::new();
        for index in 0..12 {
            let client = relay.connect("moqt", Draft::ALL[index % Draft::ALL.len()]).await;
            let mut watch = client.watch_namespaces(namespace()).await.unwrap();
            assert!(matches!(watch.next().await, Some(NamespaceNews::Announced(_))));
            let reader = client.subscribe(track(), Join::NextObject).await.unwrap();
            readers.push((client, reader));
        }
        writer.wanted().await.unwrap();
        writer.write(Object::new(0, 0, "one")).await.unwrap();
        for (_, reader) in &mut readers {
            assert_eq!(next(reader).await, ("0/0".to_owned(), b"one".to_vec()));
        }
        kill(&mut first);
        let again = origin.start(&[], &[]);
        let (_publisher, mut writer) = publisher(&again, Draft::D18).await;
        writer.wanted().await.unwrap();
        writer.write(Object::new(1, 0, "two")).await.unwrap();
        for (_, reader) in &mut readers {
            assert_eq!(next(reader).await, ("1/0".to_owned(), b"two".to_vec()));
        }
    });
}

#[test]
fn an_origin_that_died_and_is_there_again_is_noticed_long_before_its_timeout() {
    let (origin, edge) = (Place::new(), Place::new());
    let mut first = origin.start(&[], &[]);
    // Longer than this test waits for anything.
    let relay = edge.start(&[origin.entry("moqt", "")], &["--origin-timeout", "300s"]);
    relay.logged(&["origin is there"]);
    kill(&mut first);
    let _again = origin.start(&[], &[]);
    relay.logged(&["origin lost"]);
    relay.logged_after(&["origin is there"], 1);
}

/// A publisher with a session to each of two origins, and fifty viewers at a relay that has both.
async fn two_origins(priorities: [u8; 2]) -> Vec<BTreeSet<Location>> {
    let places = [Place::new(), Place::new()];
    let mut origins = [0, 1].map(|at| places[at].start(&[], &[]));
    let edge = Place::new();
    let entries =
        [0, 1].map(|at| places[at].entry("moqt", &format!(r#", "priority": {}"#, priorities[at])));
    let edge = edge.start(&entries, &SOON);
    edge.logged_after(&["origin is there"], 1);
    let (_first, mut one) = publisher(&origins[0], Draft::D18).await;
    let (_second, mut two) = publisher(&origins[1], Draft::D18).await;
    let mut viewers = Vec::new();
    for index in 0..50 {
        let client = edge.connect("moqt", Draft::ALL[index % Draft::ALL.len()]).await;
        let reader = client.subscribe(track(), Join::NextObject).await.unwrap();
        viewers.push((client, reader));
    }
    one.wanted().await.unwrap();
    let mut beat = tokio::time::interval(Duration::from_millis(50));
    let write = async {
        for group in 0..4 {
            for object in 0..20 {
                beat.tick().await;
                for writer in [&mut one, &mut two] {
                    // One of them is dead after a while.
                    let _ = writer.write(Object::new(group, object, "frame")).await;
                }
                if (group, object) == (1, 2) {
                    kill(&mut origins[0]);
                }
            }
            one.end_group(GroupId(group));
            two.end_group(GroupId(group));
        }
    };
    let read = async {
        let mut all = Vec::new();
        for (_, reader) in &mut viewers {
            let mut seen = BTreeSet::new();
            while !seen.contains(&Location::new(3, 19)) {
                let object = reader.next().await.unwrap().expect("the subscription goes on");
                assert!(seen.insert(object.location), "{} came twice", object.location);
            }
            all.push(seen);
        }
        all
    };
    tokio::join!(write, read).1
}

#[test]
fn the_death_of_one_of_two_origins_costs_fifty_viewers_at_most_one_group() {
    run(async {
        for (priorities, groups_max) in [([0, 0], 0), ([0, 1], 1)] {
            let all = two_origins(priorities).await;
            assert_eq!(all.len(), 50);
            for seen in all {
                let whole = |group: &u64| {
                    (0..20).all(|object| seen.contains(&Location::new(*group, object)))
                };
                let lost: Vec<u64> = (0..4).filter(|group| !whole(group)).collect();
                assert!(lost.len() <= groups_max, "{priorities:?}: {lost:?} of 4 groups");
            }
        }
    });
}

#[test]
fn two_relays_that_list_each_other_serve_what_there_is_and_refuse_what_there_is_not() {
    let places = [Place::new(), Place::new()];
    let entries = [0, 1].map(|at| places[at].entry("moqt", ""));
    let relays = [0, 1].map(|at| places[at].start(&entries[1 - at..2 - at], &SOON));
    for relay in &relays {
        relay.logged(&["origin is there"]);
    }
    run(async {
        let viewer = relays[1].connect("moqt", Draft::D18).await;
        assert!(viewer.subscribe(track(), Join::NextObject).await.is_err(), "nobody has it");
        let (client, mut writer) = publisher(&relays[0], Draft::D18).await;
        let mut readers = Vec::new();
        for relay in &relays {
            let viewer = relay.connect("https", Draft::D20).await;
            let reader = viewer.subscribe(track(), Join::NextObject).await.unwrap();
            readers.push((viewer, reader));
        }
        writer.wanted().await.unwrap();
        writer.write(Object::new(0, 0, "one")).await.unwrap();
        for (_, reader) in &mut readers {
            assert_eq!(next(reader).await, ("0/0".to_owned(), b"one".to_vec()));
        }
        // It ends, and nothing of it is left going round.
        writer.finish().await.unwrap();
        client.close().await;
        for (_, reader) in &mut readers {
            while let Some(object) = reader.next().await.unwrap() {
                assert!(object.payload.is_empty(), "{} came twice", object.location);
            }
        }
        assert!(viewer.subscribe(track(), Join::NextObject).await.is_err(), "nobody has it");
    });
}

/// What a relay says of an origin with this certificate, in whose file `fields` stand.
fn said_of(certificate: CertificateParams, fields: &str) -> String {
    let (origin, edge) = (Place::with(certificate), Place::new());
    let _origin = origin.start(&[], &[]);
    let edge = edge.start(&[origin.entry("https", fields)], &SOON);
    edge.logged(&["origin not reached"])
}

fn of_names(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_wrong_certificate_is_a_line_with_the_origin_the_reason_and_what_to_do() {
    let other = Place::new();
    let unknown = format!(r#", "origincertpath": "{}""#, other.certificate.display());
    let text = said_of(of_names(&["localhost"]), &unknown);
    assert!(text.contains("nobody that is trusted vouches for it"), "{text}");
    assert!(text.contains("let origincertpath name its certificate"), "{text}");

    let text = said_of(of_names(&["elsewhere.example"]), "");
    assert!(text.contains("not valid for name \"localhost\""), "{text}");
    assert!(text.contains("let originaddress name a host that it is for"), "{text}");

    let mut expired = of_names(&["localhost"]);
    expired.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let text = said_of(expired, "");
    assert!(text.contains("expired") && text.contains("renew it at the origin"), "{text}");
}

#[test]
fn mistakes_in_the_file_stop_the_relay_unless_it_may_go_on_without() {
    let (origin, edge) = (Place::new(), Place::new());
    let _origin = origin.start(&[], &[]);
    let unresolved = r#"{"friendlyname": "gone", "tracknamespace": "live",
        "originaddress": "https://nowhere.invalid/moq"}"#;
    let unknown = r#"{"friendlyname": "odd", "tracknamespace": "live", "priorty": 1,
        "originaddress": "moqt://localhost/moq"}"#;
    let file = edge.folder.path().join("list.json");
    let list = format!(r#"{{"origins": [{}, {unresolved}, {unknown}]}}"#, origin.entry("moqt", ""));
    std::fs::write(&file, list).unwrap();
    let relay = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(["relay", "--listen", "127.0.0.1:0", "-moq_origins_config"])
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&relay.stderr);
    assert_eq!(relay.status.code(), Some(1), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let odd = "origins[2] \"odd\", priorty: unknown field: did you mean `priority`?";
    assert_eq!(lines[0], format!("sluice: {}: {odd}", file.display()));
    let gone = "origins[1] \"gone\", originaddress: `nowhere.invalid` cannot be resolved";
    assert!(lines[1].starts_with(&format!("sluice: {}: {gone}", file.display())), "{text}");

    let file = file.to_str().unwrap();
    let relay = Relay::start(&["--origins", file, "--origins-partial"]);
    relay.logged(&["priorty: unknown field"]);
    relay.logged(&["origin is there"]);
    relay.logged(&["origin not reached", "its name has no address", "tried again"]);
    let url = format!("http://{}/api/v1/overview", relay.address);
    let status = ureq::get(&url).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(status.contains(r#""state":"up""#) && status.contains(r#""state":"down""#), "{status}");
}
