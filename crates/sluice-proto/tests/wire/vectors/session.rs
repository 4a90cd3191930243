//! Setup, GOAWAY, refusals, namespaces and track status.

use sluice_proto::model::*;
use sluice_proto::session::Response;
use sluice_proto::wire::Draft::{D14, D15, D16, D17, D18, D19, D20, D21, D22};
use sluice_proto::wire::{Context, Draft, Message, NamespaceRef};

use super::*;

pub fn setup_vectors() -> Vec<Vector> {
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
            &[D15],
            client,
            "20 0008 02 01 02 2F61 02 4064",
            Message::ClientSetup {
                versions: vec![],
                options: SetupOptions { path: Some("/a".into()), ..limit.clone() },
            },
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
            &[D15, D16],
            server,
            "21 0004 01 02 4064",
            Message::ServerSetup { version: None, options: limit },
        ),
        row(
            &[D17, D18, D19, D20, D21, D22],
            client,
            "AF00 0007 01 02 2F61 06 01 78",
            Message::Setup(SetupOptions { implementation: Some("x".into()), ..path }),
        ),
        row(
            &[D17, D18, D19, D20, D21, D22],
            server,
            "AF00 0008 03 03 030078 01 8400",
            Message::Setup(SetupOptions {
                tokens: vec![token("x")],
                token_cache_bytes: Some(1024),
                ..SetupOptions::default()
            }),
        ),
        row(
            &[D19, D20, D21, D22],
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

pub fn session_vectors() -> Vec<Vector> {
    let empty = Goaway::default;
    let uri = || Goaway { uri: "https://b/".into(), ..empty() };
    vec![
        row(&[D14, D15, D16], client, "10 0001 00", Message::Goaway(empty())),
        row(&[D14, D15, D16], server, "10 000B 0A 68747470733A2F2F622F", Message::Goaway(uri())),
        row(&[D17, D19, D20, D21, D22], client, "10 0002 00 00", Message::Goaway(empty())),
        row(&[D18, D19, D20, D21, D22], own_stream, "10 0002 00 00", Message::Goaway(empty())),
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
        row(&[D14, D15, D16], client, "15 0002 4064", Message::RequestIdLimit(100)),
        row(&[D14, D15, D16], client, "1A 0002 4064", Message::RequestsBlocked(100)),
    ]
}

pub fn refusal_vectors() -> Vec<Vector> {
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
        row(&[D18, D19, D20, D21, D22], subscribe_answer, "05 0003 10 00 00", missing()),
        row(
            &[D18, D19, D20, D21, D22],
            subscribe_answer,
            "05 0004 02 87D1 00",
            refused(RequestError {
                retry_after: ms(2000),
                ..RequestError::new(RequestCode::Timeout, "")
            }),
        ),
        row(
            &[D18, D19, D20, D21, D22],
            subscribe_answer,
            "05 0006 34 00 00 00 00 00",
            redirect(Redirect::default()),
        ),
        row(
            &[D18, D19, D20, D21, D22],
            subscribe_answer,
            "05 000D 34 00 00 03 683A2F 01 0161 02 7631",
            redirect(Redirect { uri: "h:/".into(), track: track("a", "v1") }),
        ),
    ]
}

pub fn namespace_vectors() -> Vec<Vector> {
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
        row(
            &[D18, D19, D20, D21, D22],
            new_request,
            "50 0005 00 01 0161 00",
            interest(Interest::Namespaces),
        ),
        row(
            &[D18, D19, D20, D21, D22],
            new_request,
            "51 0005 00 01 0161 00",
            interest(Interest::Tracks),
        ),
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
            &[D18, D19, D20, D21, D22],
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
            &[D18, D19, D20, D21, D22],
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

pub fn track_status_vectors() -> Vec<Vector> {
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
            &[D18, D19, D20, D21, D22],
            status_answer,
            "07 0006 01 09 03 04 04 07",
            ok(properties(PropertyEncoding::DeltaVi64, &[(0x04, 7)])),
        ),
    ]
}
