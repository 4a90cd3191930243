//! Byte vectors: messages with bytes that the rules of each draft give by hand. Those marked with
//! a draft's name in the reference were decoded by an independent codec as well.

use bytes::BytesMut;
use sluice_proto::model::*;
use sluice_proto::session::Response;
use sluice_proto::transport::Side;
use sluice_proto::wire::{About, Context, Draft, Message, NamespaceRef};

use super::support::*;
use Draft::{D14, D16, D18, D20};

struct Vector {
    drafts: &'static [Draft],
    bytes: &'static str,
    context: fn(Draft) -> Context,
    message: Message,
}

fn client(_: Draft) -> Context {
    Context::control(Side::Client)
}

fn server(_: Draft) -> Context {
    Context::control(Side::Server)
}

fn namespace_stream(draft: Draft) -> Context {
    let about = About::Request(RequestKind::SubscribeNamespace);
    Context { about: None, ..later(draft, Side::Server, 0, about) }
}

fn own_stream(_: Draft) -> Context {
    let about = About::Update(RequestKind::SubscribeNamespace);
    Context::request(Side::Server, RequestId(0), about)
}

fn namespace_request(_: Draft) -> Context {
    Context::new_request(Side::Client)
}

fn of_subscription(draft: Draft) -> Context {
    later(draft, Side::Server, 0, About::Update(RequestKind::Subscribe))
}

fn by_subscriber(draft: Draft) -> Context {
    later(draft, Side::Client, 0, About::Update(RequestKind::Subscribe))
}

fn subscribe_answer(draft: Draft) -> Context {
    answer(draft, 0, RequestKind::Subscribe)
}

fn publish_answer(draft: Draft) -> Context {
    answer(draft, 1, RequestKind::Publish)
}

fn fetch_answer(draft: Draft) -> Context {
    answer(draft, 2, RequestKind::Fetch)
}

fn row(
    drafts: &'static [Draft],
    context: fn(Draft) -> Context,
    bytes: &'static str,
    message: Message,
) -> Vector {
    Vector { drafts, bytes, context, message }
}

fn setup_vectors() -> Vec<Vector> {
    let limit = SetupOptions { request_id_limit: Some(100), ..SetupOptions::default() };
    let path = SetupOptions { path: Some("/a".into()), ..SetupOptions::default() };
    let version = 0xff00_000e;
    vec![
        row(
            &[D14],
            client,
            "20 000D 01 C0000000FF00000E 01 02 4064",
            Message::ClientSetup { versions: vec![version], options: limit.clone() },
        ),
        row(
            &[D14],
            server,
            "21 000C C0000000FF00000E 01 02 4064",
            Message::ServerSetup { version: Some(version), options: limit.clone() },
        ),
        row(
            &[D16],
            client,
            "20 0008 02 01 02 2F61 01 4064",
            Message::ClientSetup {
                versions: vec![],
                options: SetupOptions { path: Some("/a".into()), ..limit.clone() },
            },
        ),
        row(
            &[D16],
            server,
            "21 0004 01 02 4064",
            Message::ServerSetup { version: None, options: limit },
        ),
        row(
            &[D18, D20],
            client,
            "AF00 0007 01 02 2F61 06 01 78",
            Message::Setup(SetupOptions { implementation: Some("x".into()), ..path }),
        ),
        row(
            &[D18, D20],
            server,
            "AF00 0008 03 03 030078 01 8400",
            Message::Setup(SetupOptions {
                tokens: vec![token("x")],
                token_cache_bytes: Some(1024),
                ..SetupOptions::default()
            }),
        ),
        row(
            &[D20],
            server,
            "AF00 0004 06 05 02 09",
            Message::Setup(SetupOptions {
                filter_ranges: Some(5),
                request_updates: Some(9),
                ..SetupOptions::default()
            }),
        ),
    ]
}

fn session_vectors() -> Vec<Vector> {
    let empty = Goaway::default;
    let uri = || Goaway { uri: "https://b/".into(), ..empty() };
    vec![
        row(&[D14, D16], client, "10 0001 00", Message::Goaway(empty())),
        row(&[D14, D16], server, "10 000B 0A 68747470733A2F2F622F", Message::Goaway(uri())),
        row(&[D20], client, "10 0002 00 00", Message::Goaway(empty())),
        row(&[D18, D20], own_stream, "10 0002 00 00", Message::Goaway(empty())),
        row(
            &[D18],
            server,
            "10 0003 00 00 00",
            Message::Goaway(Goaway { first_unprocessed: Some(RequestId(0)), ..empty() }),
        ),
        row(
            &[D18],
            client,
            "10 0004 00 8BB8 05",
            Message::Goaway(Goaway {
                timeout: ms(3000),
                first_unprocessed: Some(RequestId(5)),
                ..empty()
            }),
        ),
        row(&[D14, D16], client, "15 0002 4064", Message::RequestIdLimit(100)),
        row(&[D14, D16], client, "1A 0002 4064", Message::RequestsBlocked(100)),
    ]
}

fn subscribe_vectors() -> Vec<Vector> {
    let subscribe = |subscribe: Subscribe| Message::Request {
        id: RequestId(0),
        request: Request::Subscribe(Subscribe { track: track("a/b", "v"), ..subscribe }),
    };
    let next_object = || Subscribe {
        filter: LocationFilter::NextObject,
        priority: Some(Priority(10)),
        ..Subscribe::default()
    };
    let whole = |group| RangeEnd { group: GroupId(group), object: None };
    let ranged = |end| LocationFilter::Range(Location::new(300, 2), end);
    vec![
        row(
            &[D14],
            new_request,
            "03 000D 00 02 0161 0162 01 76 0A 00 01 02 00",
            subscribe(Subscribe { forward: Some(true), ..next_object() }),
        ),
        row(
            &[D16, D18],
            new_request,
            "03 000E 00 02 0161 0162 01 76 02 20 0A 01 01 02",
            subscribe(next_object()),
        ),
        row(
            &[D20],
            new_request,
            "03 000F 00 02 0161 0162 01 76 02 20 0A 01 02 00 00",
            subscribe(next_object()),
        ),
        row(
            &[D14],
            new_request,
            "03 0014 00 02 0161 0162 01 76 80 02 00 04 412C 02 4136 01 02 05",
            subscribe(Subscribe {
                priority: Some(Priority(128)),
                order: Some(GroupOrder::Descending),
                forward: Some(false),
                filter: ranged(whole(310)),
                object_timeout: ms(5),
                ..Subscribe::default()
            }),
        ),
        row(
            &[D16],
            new_request,
            "03 0011 00 02 0161 0162 01 76 01 21 06 04 412C 02 4136",
            subscribe(Subscribe { filter: ranged(whole(310)), ..Subscribe::default() }),
        ),
        row(
            &[D18],
            new_request,
            "03 0010 00 02 0161 0162 01 76 01 21 05 04 812C 02 0A",
            subscribe(Subscribe { filter: ranged(whole(310)), ..Subscribe::default() }),
        ),
        row(
            &[D20],
            new_request,
            "03 0010 00 02 0161 0162 01 76 01 21 05 812C 02 0A 07",
            subscribe(Subscribe {
                filter: ranged(RangeEnd { group: GroupId(310), object: Some(ObjectId(7)) }),
                ..Subscribe::default()
            }),
        ),
        row(
            &[D20],
            new_request,
            "03 000E 00 02 0161 0162 01 76 01 21 03 812C 00",
            subscribe(Subscribe {
                filter: LocationFilter::From(Location::new(300, 0)),
                ..Subscribe::default()
            }),
        ),
        row(
            &[D18, D20],
            new_request,
            "03 0010 00 02 0161 0162 01 76 02 03 03 030078 1D 01",
            subscribe(Subscribe {
                tokens: vec![token("x")],
                priority: Some(Priority(1)),
                ..Subscribe::default()
            }),
        ),
        row(
            &[D20],
            new_request,
            "03 0010 00 02 0161 0162 01 76 01 25 05 00 03 02 05 05",
            subscribe(Subscribe {
                range_filters: vec![RangeFilter {
                    kind: RangeFilterKind::Subgroup,
                    set: 0,
                    ranges: vec![(3, Some(5)), (10, Some(15))],
                }],
                ..Subscribe::default()
            }),
        ),
        row(
            &[D20],
            new_request,
            "03 0013 00 02 0161 0162 01 76 02 21 02 0000 02 04 01 21 01 01",
            subscribe(Subscribe {
                filter: LocationFilter::NextObject,
                fill: Some(Fill {
                    filter: Some(LocationFilter::RelativeGroup(1)),
                    ..Fill::default()
                }),
                ..Subscribe::default()
            }),
        ),
        row(&[D14, D16], client, "0A 0001 04", Message::Unsubscribe(RequestId(4))),
    ]
}

fn subscribe_ok_vectors() -> Vec<Vector> {
    let ok = |ok: SubscribeOk| Message::Response {
        id: RequestId(0),
        response: Response::Subscribe(SubscribeOk {
            alias: TrackAlias(5),
            largest: Some(Location::new(3, 4)),
            ..ok
        }),
    };
    let update = |update: RequestUpdate| Message::Update {
        id: RequestId(2),
        existing: RequestId(0),
        update,
    };
    let quiet = RequestUpdate { priority: Some(Priority(200)), ..RequestUpdate::default() };
    let priority = |encoding| SubscribeOk {
        properties: properties(encoding, &[(property::kind::DEFAULT_PUBLISHER_PRIORITY, 69)]),
        ..SubscribeOk::default()
    };
    vec![
        row(
            &[D14],
            subscribe_answer,
            "04 0008 00 05 00 01 01 03 04 00",
            ok(SubscribeOk { order: Some(GroupOrder::Ascending), ..SubscribeOk::default() }),
        ),
        row(
            &[D14],
            subscribe_answer,
            "04 000D 00 05 43E8 02 01 03 04 02 02 05 04 07",
            ok(SubscribeOk {
                order: Some(GroupOrder::Descending),
                expires: ms(1000),
                properties: properties(
                    PropertyEncoding::DeltaVi64,
                    &[(0x02, 5), (0x04, 7), (0x22, 2)],
                ),
                ..SubscribeOk::default()
            }),
        ),
        row(
            &[D16],
            subscribe_answer,
            "04 000A 00 05 01 09 02 0304 0E 4045",
            ok(priority(PropertyEncoding::Delta)),
        ),
        row(
            &[D18, D20],
            subscribe_answer,
            "04 0007 05 01 09 0304 0E 45",
            ok(priority(PropertyEncoding::DeltaVi64)),
        ),
        row(
            &[D14],
            by_subscriber,
            "02 0008 02 00 03 00 00 80 01 00",
            update(RequestUpdate {
                filter: Some(LocationFilter::From(Location::new(3, 0))),
                priority: Some(Priority(128)),
                forward: Some(true),
                ..RequestUpdate::default()
            }),
        ),
        row(
            &[D14],
            by_subscriber,
            "02 0008 02 00 03 00 0A 80 00 00",
            update(RequestUpdate {
                filter: Some(LocationFilter::Range(
                    Location::new(3, 0),
                    RangeEnd { group: GroupId(9), object: None },
                )),
                priority: Some(Priority(128)),
                forward: Some(false),
                ..RequestUpdate::default()
            }),
        ),
        row(&[D16], by_subscriber, "02 0006 02 00 01 20 40C8", update(quiet.clone())),
        row(&[D18, D20], by_subscriber, "02 0004 02 01 20 C8", update(quiet)),
        row(
            &[D20],
            by_subscriber,
            "02 0006 02 02 10 00 11 00",
            update(RequestUpdate {
                forward: Some(false),
                filter: Some(LocationFilter::All),
                ..RequestUpdate::default()
            }),
        ),
    ]
}

fn publish_vectors() -> Vec<Vector> {
    let publish = |publish: Publish| Message::Request {
        id: RequestId(0),
        request: Request::Publish(Publish {
            track: track("a/b", "v"),
            alias: TrackAlias(5),
            largest: Some(Location::new(3, 4)),
            forward: Some(true),
            ..publish
        }),
    };
    let done = |streams| Message::PublishDone {
        id: RequestId(0),
        done: PublishDone { code: DoneCode::TrackEnded, streams, reason: String::new() },
    };
    let accepted = |ok| Message::Response { id: RequestId(1), response: Response::Publish(ok) };
    let one = || done(StreamCount::Known(1));
    vec![
        row(
            &[D14],
            new_request,
            "1D 000F 00 02 0161 0162 01 76 05 01 01 03 04 01 00",
            publish(Publish { order: Some(GroupOrder::Ascending), ..Publish::default() }),
        ),
        row(
            &[D16],
            new_request,
            "1D 0012 00 02 0161 0162 01 76 05 02 09 02 0304 07 01 02 05",
            publish(Publish {
                properties: properties(PropertyEncoding::Delta, &[(0x02, 5)]),
                ..Publish::default()
            }),
        ),
        row(
            &[D18, D20],
            new_request,
            "1D 000F 00 02 0161 0162 01 76 05 02 09 0304 07 01",
            publish(Publish::default()),
        ),
        row(
            &[D20],
            new_request,
            "1D 0013 00 02 0161 0162 01 76 05 04 09 0304 07 01 10 07 02 02",
            publish(Publish {
                priority: Some(Priority(7)),
                order: Some(GroupOrder::Descending),
                ..Publish::default()
            }),
        ),
        row(
            &[D14],
            publish_answer,
            "1E 0006 01 01 80 01 02 00",
            accepted(PublishOk {
                filter: Some(LocationFilter::NextObject),
                forward: Some(true),
                priority: Some(Priority(128)),
                order: Some(GroupOrder::Ascending),
                ..PublishOk::default()
            }),
        ),
        row(
            &[D16],
            publish_answer,
            "1E 0007 01 02 10 00 11 01 02",
            accepted(PublishOk {
                filter: Some(LocationFilter::NextObject),
                forward: Some(false),
                ..PublishOk::default()
            }),
        ),
        row(
            &[D18],
            publish_answer,
            "07 0006 02 10 00 11 01 02",
            accepted(PublishOk {
                filter: Some(LocationFilter::NextObject),
                forward: Some(false),
                ..PublishOk::default()
            }),
        ),
        row(
            &[D20],
            publish_answer,
            "07 0003 01 08 64",
            accepted(PublishOk { expires: ms(100), ..PublishOk::default() }),
        ),
        row(&[D14, D16], of_subscription, "0B 0004 00 02 01 00", one()),
        row(&[D18, D20], of_subscription, "0B 0003 02 01 00", one()),
        row(
            &[D14, D16],
            of_subscription,
            "0B 000B 00 02 FFFFFFFFFFFFFFFF 00",
            done(StreamCount::Unknown),
        ),
        row(
            &[D18],
            of_subscription,
            "0B 000B 02 FF3FFFFFFFFFFFFFFF 00",
            done(StreamCount::Unknown),
        ),
        row(
            &[D20],
            of_subscription,
            "0B 000B 02 FFFFFFFFFFFFFFFFFF 00",
            done(StreamCount::Unknown),
        ),
        row(
            &[D20],
            of_subscription,
            "22 0005 01 09 812C 00",
            Message::StateNotify {
                id: RequestId(0),
                notify: StateNotify {
                    largest: Some(Location::new(300, 0)),
                    ..StateNotify::default()
                },
            },
        ),
    ]
}

fn fetch_vectors() -> Vec<Vector> {
    let fetch = |range, priority, order| Message::Request {
        id: RequestId(2),
        request: Request::Fetch(Fetch {
            range,
            priority,
            order,
            fill_timeout: None,
            range_filters: vec![],
            include_properties: None,
            tokens: vec![],
        }),
    };
    let group_five = || {
        let end = RangeEnd { group: GroupId(5), object: None };
        let range = LocationFilter::Range(Location::new(5, 0), end);
        FetchRange::Standalone(track("a/b", "v"), range)
    };
    let ok = |order| Message::Response {
        id: RequestId(2),
        response: Response::Fetch(FetchOk {
            end_of_track: true,
            end: RangeEnd { group: GroupId(5), object: Some(ObjectId(0)) },
            order,
            properties: TrackProperties::default(),
        }),
    };
    let joining = |start| FetchRange::Joining(RequestId(0), start);
    vec![
        row(
            &[D14],
            new_request,
            "16 0010 02 80 00 01 02 0161 0162 01 76 05 00 05 00 00",
            fetch(group_five(), Some(Priority(128)), None),
        ),
        row(
            &[D16, D18],
            new_request,
            "16 000E 02 01 02 0161 0162 01 76 05 00 05 00 00",
            fetch(group_five(), None, None),
        ),
        row(
            &[D20],
            new_request,
            "16 000E 02 02 0161 0162 01 76 01 21 03 05 00 00",
            fetch(group_five(), None, None),
        ),
        row(
            &[D20],
            new_request,
            "16 0009 02 02 0161 0162 01 76 00",
            fetch(FetchRange::Standalone(track("a/b", "v"), LocationFilter::All), None, None),
        ),
        row(
            &[D14],
            new_request,
            "16 0007 02 80 02 02 00 01 00",
            fetch(
                joining(JoiningStart::Relative(1)),
                Some(Priority(128)),
                Some(GroupOrder::Descending),
            ),
        ),
        row(
            &[D16, D18],
            new_request,
            "16 0005 02 03 00 07 00",
            fetch(joining(JoiningStart::Absolute(GroupId(7))), None, None),
        ),
        row(&[D14], fetch_answer, "18 0006 02 01 01 05 01 00", ok(Some(GroupOrder::Ascending))),
        row(
            &[D16],
            fetch_answer,
            "18 0005 02 01 05 01 00",
            Message::Response {
                id: RequestId(2),
                response: Response::Fetch(FetchOk {
                    end_of_track: true,
                    end: RangeEnd { group: GroupId(5), object: Some(ObjectId(0)) },
                    order: None,
                    properties: properties(PropertyEncoding::Delta, &[]),
                }),
            },
        ),
        row(&[D18], fetch_answer, "18 0004 01 05 01 00", ok(None)),
        row(&[D20], fetch_answer, "18 0004 01 05 00 00", ok(None)),
        row(&[D14, D16], client, "17 0001 02", Message::FetchCancel(RequestId(2))),
    ]
}

fn refusal_vectors() -> Vec<Vector> {
    let refused = |error| Message::Response { id: RequestId(0), response: Response::Error(error) };
    let missing = || refused(RequestError::new(RequestCode::DoesNotExist, ""));
    let redirect = |redirect| {
        let code = RequestCode::Redirect;
        refused(RequestError { redirect: Some(redirect), ..RequestError::new(code, "") })
    };
    let unwanted = |_| answer(D14, 0, RequestKind::PublishNamespace);
    vec![
        row(&[D14], subscribe_answer, "05 0003 00 04 00", missing()),
        row(
            &[D14],
            unwanted,
            "08 0005 00 04 02 6E6F",
            refused(RequestError::new(RequestCode::Uninterested, "no")),
        ),
        row(&[D16], subscribe_answer, "05 0004 00 10 00 00", missing()),
        row(&[D18, D20], subscribe_answer, "05 0003 10 00 00", missing()),
        row(
            &[D18, D20],
            subscribe_answer,
            "05 0004 02 87D1 00",
            refused(RequestError {
                retry_after: ms(2000),
                ..RequestError::new(RequestCode::Timeout, "")
            }),
        ),
        row(
            &[D18, D20],
            subscribe_answer,
            "05 0006 34 00 00 00 00 00",
            redirect(Redirect::default()),
        ),
        row(
            &[D18, D20],
            subscribe_answer,
            "05 000D 34 00 00 03 683A2F 01 0161 02 7631",
            redirect(Redirect { uri: "h:/".into(), track: track("a", "v1") }),
        ),
    ]
}

fn namespace_vectors() -> Vec<Vector> {
    let interest = |interest| Message::Request {
        id: RequestId(0),
        request: Request::SubscribeNamespace(SubscribeNamespace {
            prefix: namespace("a"),
            ..SubscribeNamespace::new(TrackNamespace::default(), interest)
        }),
    };
    let announce = || Message::Request {
        id: RequestId(0),
        request: Request::PublishNamespace(PublishNamespace {
            namespace: namespace("a"),
            tokens: vec![],
        }),
    };
    let accepted =
        || Message::Response { id: RequestId(0), response: Response::Ok(RequestOk::default()) };
    let by_name = || NamespaceRef::Name(namespace("a"));
    let by_id = || NamespaceRef::Request(RequestId(2));
    let cancel = |which| Message::PublishNamespaceCancel {
        which,
        code: RequestCode::Unauthorized,
        reason: String::new(),
    };
    vec![
        row(&[D14], new_request, "11 0005 00 01 0161 00", interest(Interest::Both)),
        row(&[D16], namespace_request, "11 0006 00 01 0161 02 00", interest(Interest::Both)),
        row(&[D18, D20], new_request, "50 0005 00 01 0161 00", interest(Interest::Namespaces)),
        row(&[D18, D20], new_request, "51 0005 00 01 0161 00", interest(Interest::Tracks)),
        row(&[D14, D16, D18, D20], new_request, "06 0005 00 01 0161 00", announce()),
        row(
            &[D14],
            |draft| answer(draft, 0, RequestKind::PublishNamespace),
            "07 0001 00",
            accepted(),
        ),
        row(
            &[D14],
            |draft| answer(draft, 0, RequestKind::SubscribeNamespace),
            "12 0001 00",
            accepted(),
        ),
        row(
            &[D16],
            |draft| answer(draft, 0, RequestKind::PublishNamespace),
            "07 0002 00 00",
            accepted(),
        ),
        row(
            &[D18, D20],
            |draft| answer(draft, 0, RequestKind::PublishNamespace),
            "07 0001 00",
            accepted(),
        ),
        row(
            &[D16, D18, D20],
            own_stream,
            "08 0003 01 0162",
            Message::Namespace { suffix: namespace("b") },
        ),
        row(
            &[D16, D18, D20],
            own_stream,
            "08 0001 00",
            Message::Namespace { suffix: namespace("") },
        ),
        row(
            &[D16, D18, D20],
            own_stream,
            "0E 0003 01 0162",
            Message::NamespaceDone { suffix: namespace("b") },
        ),
        row(
            &[D18, D20],
            namespace_stream,
            "0F 0005 01 0162 01 76",
            Message::PublishBlocked { suffix: namespace("b"), name: track("", "v").name().clone() },
        ),
        row(&[D14], client, "09 0003 01 0161", Message::PublishNamespaceDone(by_name())),
        row(&[D16], client, "09 0001 02", Message::PublishNamespaceDone(by_id())),
        row(&[D14], client, "0C 0005 01 0161 01 00", cancel(by_name())),
        row(&[D16], client, "0C 0003 02 01 00", cancel(by_id())),
        row(&[D14], client, "14 0003 01 0161", Message::UnsubscribeNamespace(by_name())),
    ]
}

fn track_status_vectors() -> Vec<Vector> {
    let status = || Message::Request {
        id: RequestId(0),
        request: Request::TrackStatus(TrackStatus {
            track: track("a/b", "v"),
            ..TrackStatus::default()
        }),
    };
    let ok = |properties| Message::Response {
        id: RequestId(0),
        response: Response::Ok(RequestOk {
            largest: Some(Location::new(3, 4)),
            properties,
            ..RequestOk::default()
        }),
    };
    let status_answer: fn(Draft) -> Context = |draft| answer(draft, 0, RequestKind::TrackStatus);
    vec![
        row(&[D14], new_request, "0D 000F 00 02 0161 0162 01 76 80 00 01 03 00 00 00", status()),
        row(&[D16, D18, D20], new_request, "0D 0009 00 02 0161 0162 01 76 00", status()),
        row(
            &[D14],
            status_answer,
            "0E 0008 00 00 00 01 01 03 04 00",
            ok(TrackProperties::default()),
        ),
        row(&[D16], status_answer, "07 0006 00 01 09 02 03 04", ok(TrackProperties::default())),
        row(
            &[D18, D20],
            status_answer,
            "07 0006 01 09 03 04 04 07",
            ok(properties(PropertyEncoding::DeltaVi64, &[(0x04, 7)])),
        ),
    ]
}

fn vectors() -> Vec<Vector> {
    let parts = [
        setup_vectors(),
        session_vectors(),
        subscribe_vectors(),
        subscribe_ok_vectors(),
        publish_vectors(),
        fetch_vectors(),
        refusal_vectors(),
        namespace_vectors(),
        track_status_vectors(),
    ];
    parts.into_iter().flatten().collect()
}

/// Every vector with each of its drafts.
fn each(mut check: impl FnMut(Draft, &Context, Vec<u8>, Message)) {
    for vector in vectors() {
        for &draft in vector.drafts {
            let context = (vector.context)(draft);
            check(draft, &context, hex(vector.bytes), vector.message.clone());
        }
    }
}

#[test]
fn vectors_decode_to_the_messages_they_say() {
    each(|draft, context, bytes, message| {
        let decoded = decode(draft, &bytes, context);
        assert_eq!(decoded, Ok(message), "draft {draft}: {}", show(&bytes));
    });
}

#[test]
fn messages_encode_to_the_bytes_of_their_vectors() {
    let mut wrong = Vec::new();
    each(|draft, context, bytes, message| {
        let encoded = encode(draft, &message, context);
        if encoded != bytes {
            wrong.push(format!("draft {draft}: {} not {}", show(&encoded), show(&bytes)));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_message_that_is_still_arriving_is_waited_for() {
    each(|draft, _, bytes, _| {
        for cut in 0..bytes.len() {
            let mut buf = BytesMut::from(&bytes[..cut]);
            let split = draft.dialect().split_frame(&mut buf);
            assert_eq!(split, Ok(None), "draft {draft}: {} cut at {cut}", show(&bytes));
            assert_eq!(buf.len(), cut, "nothing is taken before all is there");
        }
    });
}

#[test]
fn a_body_with_a_byte_too_many_is_refused() {
    each(|draft, context, bytes, message| {
        let decoded = decode(draft, &longer(&bytes, draft), context);
        assert!(decoded.is_err(), "draft {draft}: {message:?} became {decoded:?}");
    });
}

#[test]
fn a_body_cut_short_never_says_the_same() {
    each(|draft, context, bytes, message| {
        let mut buf = BytesMut::from(&bytes[..]);
        let (kind, body) = draft.dialect().split_frame(&mut buf).unwrap().unwrap();
        for cut in 0..body.len() {
            let decoded = draft.dialect().decode(kind, body.slice(..cut), context);
            assert_ne!(decoded.as_ref(), Ok(&message), "draft {draft} cut at {cut}");
        }
    });
}

#[test]
fn both_marks_of_an_unknown_stream_count_are_understood_in_every_draft() {
    let of = |bytes: &str, draft| decode(draft, &hex(bytes), &of_subscription(draft));
    let cases =
        [(D18, "0B 000B 02 FFFFFFFFFFFFFFFFFF 00"), (D20, "0B 000B 02 FF3FFFFFFFFFFFFFFF 00")];
    for (draft, bytes) in cases {
        let Ok(Message::PublishDone { done, .. }) = of(bytes, draft) else {
            panic!("draft {draft} refuses {bytes}");
        };
        assert_eq!(done.streams, StreamCount::Unknown);
    }
}

#[test]
fn the_oldest_form_of_publish_ok_is_understood_in_draft_18() {
    let decoded = decode(D18, &hex("1E 0003 01 10 00"), &publish_answer(D18));
    let ok = PublishOk { forward: Some(false), ..PublishOk::default() };
    let response = Response::Publish(ok);
    assert_eq!(decoded, Ok(Message::Response { id: RequestId(1), response }));
}

#[test]
fn an_end_group_before_its_start_is_read_as_a_delta_where_ends_are_absolute() {
    let bytes = hex("03 0010 00 02 0161 0162 01 76 01 21 05 04 412C 02 0A");
    let Ok(Message::Request { request: Request::Subscribe(subscribe), .. }) =
        decode(D16, &bytes, &new_request(D16))
    else {
        panic!("draft 16 refuses a delta");
    };
    let end = RangeEnd { group: GroupId(310), object: None };
    assert_eq!(subscribe.filter, LocationFilter::Range(Location::new(300, 2), end));
}
