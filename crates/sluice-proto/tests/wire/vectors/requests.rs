//! Subscriptions, publications and fetches with their answers.

use sluice_proto::model::*;
use sluice_proto::session::Response;
use sluice_proto::wire::Draft::{D14, D15, D16, D17, D18, D19, D20, D21, D22};
use sluice_proto::wire::Message;

use super::*;

pub fn subscribe_vectors() -> Vec<Vector> {
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
            &[D16, D18, D19],
            new_request,
            "03 000E 00 02 0161 0162 01 76 02 20 0A 01 01 02",
            subscribe(next_object()),
        ),
        row(
            &[D20, D21],
            new_request,
            "03 000F 00 02 0161 0162 01 76 02 20 0A 01 02 00 00",
            subscribe(next_object()),
        ),
        row(
            &[D22],
            new_request,
            "03 000D 00 02 0161 0162 01 76 02 20 0A 01 05",
            subscribe(next_object()),
        ),
        row(
            &[D15],
            new_request,
            "03 000E 00 02 0161 0162 01 76 02 20 0A 21 01 02",
            subscribe(next_object()),
        ),
        row(
            &[D17],
            new_request,
            "03 000F 00 00 02 0161 0162 01 76 02 20 0A 01 01 02",
            subscribe(next_object()),
        ),
        row(
            &[D22],
            new_request,
            "03 0010 00 02 0161 0162 01 76 01 21 04 812C 02 0A 07",
            subscribe(Subscribe {
                filter: ranged(RangeEnd { group: GroupId(310), object: Some(ObjectId(7)) }),
                ..Subscribe::default()
            }),
        ),
        row(
            &[D22],
            new_request,
            "03 000E 00 02 0161 0162 01 76 01 21 02 812C 00",
            subscribe(Subscribe {
                filter: LocationFilter::From(Location::new(300, 0)),
                ..Subscribe::default()
            }),
        ),
        row(
            &[D22],
            new_request,
            "03 0011 00 02 0161 0162 01 76 02 21 05 02 04 01 21 01 01",
            subscribe(Subscribe {
                filter: LocationFilter::NextObject,
                fill: Some(Fill {
                    filter: Some(LocationFilter::RelativeGroup(1)),
                    ..Fill::default()
                }),
                ..Subscribe::default()
            }),
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
            &[D18, D19],
            new_request,
            "03 0010 00 02 0161 0162 01 76 01 21 05 04 812C 02 0A",
            subscribe(Subscribe { filter: ranged(whole(310)), ..Subscribe::default() }),
        ),
        row(
            &[D20, D21],
            new_request,
            "03 0010 00 02 0161 0162 01 76 01 21 05 812C 02 0A 07",
            subscribe(Subscribe {
                filter: ranged(RangeEnd { group: GroupId(310), object: Some(ObjectId(7)) }),
                ..Subscribe::default()
            }),
        ),
        row(
            &[D20, D21],
            new_request,
            "03 000E 00 02 0161 0162 01 76 01 21 03 812C 00",
            subscribe(Subscribe {
                filter: LocationFilter::From(Location::new(300, 0)),
                ..Subscribe::default()
            }),
        ),
        row(
            &[D18, D19, D20, D21, D22],
            new_request,
            "03 0010 00 02 0161 0162 01 76 02 03 03 030078 1D 01",
            subscribe(Subscribe {
                tokens: vec![token("x")],
                priority: Some(Priority(1)),
                ..Subscribe::default()
            }),
        ),
        row(
            &[D19, D20, D21, D22],
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
            &[D20, D21],
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
        row(&[D14, D15, D16], client, "0A 0001 04", Message::Unsubscribe(RequestId(4))),
    ]
}

pub fn subscribe_ok_vectors() -> Vec<Vector> {
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
            &[D18, D19, D20, D21, D22],
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
        row(&[D18, D19, D20, D21, D22], by_subscriber, "02 0004 02 01 20 C8", update(quiet)),
        row(
            &[D20, D21, D22],
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

pub fn publish_vectors() -> Vec<Vector> {
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
            &[D18, D19, D20, D21, D22],
            new_request,
            "1D 000F 00 02 0161 0162 01 76 05 02 09 0304 07 01",
            publish(Publish::default()),
        ),
        row(
            &[D20, D21, D22],
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
            &[D18, D19],
            publish_answer,
            "07 0006 02 10 00 11 01 02",
            accepted(PublishOk {
                filter: Some(LocationFilter::NextObject),
                forward: Some(false),
                ..PublishOk::default()
            }),
        ),
        row(
            &[D20, D21, D22],
            publish_answer,
            "07 0003 01 08 64",
            accepted(PublishOk { expires: ms(100), ..PublishOk::default() }),
        ),
        row(&[D14, D15, D16], of_subscription, "0B 0004 00 02 01 00", one()),
        row(&[D18, D19, D20, D21, D22], of_subscription, "0B 0003 02 01 00", one()),
        row(
            &[D14, D15, D16],
            of_subscription,
            "0B 000B 00 02 FFFFFFFFFFFFFFFF 00",
            done(StreamCount::Unknown),
        ),
        row(
            &[D18, D19],
            of_subscription,
            "0B 000B 02 FF3FFFFFFFFFFFFFFF 00",
            done(StreamCount::Unknown),
        ),
        row(
            &[D20, D21, D22],
            of_subscription,
            "0B 000B 02 FFFFFFFFFFFFFFFFFF 00",
            done(StreamCount::Unknown),
        ),
        row(
            &[D20, D21, D22],
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

pub fn fetch_vectors() -> Vec<Vector> {
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
            &[D16, D18, D19],
            new_request,
            "16 000E 02 01 02 0161 0162 01 76 05 00 05 00 00",
            fetch(group_five(), None, None),
        ),
        row(
            &[D20, D21, D22],
            new_request,
            "16 000E 02 02 0161 0162 01 76 01 21 03 05 00 00",
            fetch(group_five(), None, None),
        ),
        row(
            &[D20, D21, D22],
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
            &[D16, D18, D19],
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
        row(&[D18, D19], fetch_answer, "18 0004 01 05 01 00", ok(None)),
        row(&[D20, D21, D22], fetch_answer, "18 0004 01 05 00 00", ok(None)),
        row(&[D14, D15, D16], client, "17 0001 02", Message::FetchCancel(RequestId(2))),
    ]
}
