//! How the other implementation sees the messages of draft 14.

use moqtap_codec::draft14::message as m;
use moqtap_codec::types::{
    ContentExists, FilterType, Forward, GroupOrder as Order, Location as TheirLocation,
};
use moqtap_codec::varint::VarInt;
use sluice_proto::model::*;
use sluice_proto::session::Response;
use sluice_proto::wire::{Context, Message, NamespaceRef};

use super::Theirs;
use super::parameters::{Parameters, done_code, namespace, quic, request_code, setup};

pub fn theirs(message: &Message, context: &Context) -> Theirs {
    compared(picture(message, context))
}

compared!();
fetched!((1 << 62) - 1);

fn int(value: u64) -> VarInt {
    VarInt::from_u64(value).unwrap()
}

fn location(location: Location) -> TheirLocation {
    TheirLocation { group: int(location.group.0), object: int(location.object.0) }
}

fn order(order: Option<GroupOrder>) -> Order {
    match order {
        None => Order::Publisher,
        Some(GroupOrder::Ascending) => Order::Ascending,
        Some(GroupOrder::Descending) => Order::Descending,
    }
}

fn forward(forward: Option<bool>) -> Forward {
    if forward.unwrap_or(true) { Forward::Forward } else { Forward::DontForward }
}

fn exists(largest: Option<Location>) -> ContentExists {
    match largest {
        Some(_) => ContentExists::HasLargestLocation,
        None => ContentExists::NoLargestLocation,
    }
}

fn filter(filter: LocationFilter) -> (FilterType, Option<TheirLocation>, Option<VarInt>) {
    match filter {
        LocationFilter::All => (FilterType::AbsoluteStart, Some(location(Location::ZERO)), None),
        LocationFilter::NextObject => (FilterType::LargestObject, None, None),
        LocationFilter::RelativeGroup(_) => (FilterType::NextGroupStart, None, None),
        LocationFilter::From(start) => (FilterType::AbsoluteStart, Some(location(start)), None),
        LocationFilter::Range(start, end) => {
            (FilterType::AbsoluteRange, Some(location(start)), Some(int(end.group.0)))
        }
    }
}

/// What draft 14 says of a track in parameters.
fn track_parameters(properties: &TrackProperties, timeout: bool) -> Parameters {
    let of = |kind| match properties.0.get(kind) {
        Some(PropertyValue::Int(value)) => Some(value),
        _ => None,
    };
    let mut parameters = Parameters::default();
    parameters.int(0x02, of(0x02).filter(|_| timeout));
    parameters.int(0x04, of(0x04));
    parameters
}

fn tokens(tokens: &[Token]) -> Parameters {
    let mut parameters = Parameters::default();
    parameters.tokens(tokens, quic);
    parameters
}

fn picture(message: &Message, context: &Context) -> m::ControlMessage {
    use m::ControlMessage as C;
    match message {
        Message::ClientSetup { versions, options } => C::ClientSetup(m::ClientSetup {
            supported_versions: versions.iter().map(|&version| int(version)).collect(),
            parameters: setup(options, quic),
        }),
        Message::ServerSetup { version, options } => C::ServerSetup(m::ServerSetup {
            selected_version: int(version.unwrap()),
            parameters: setup(options, quic),
        }),
        Message::Goaway(goaway) => {
            C::GoAway(m::GoAway { new_session_uri: goaway.uri.clone().into_bytes() })
        }
        Message::RequestIdLimit(limit) => {
            C::MaxRequestId(m::MaxRequestId { request_id: int(*limit) })
        }
        Message::RequestsBlocked(limit) => {
            C::RequestsBlocked(m::RequestsBlocked { maximum_request_id: int(*limit) })
        }
        Message::Request { id, request } => of_request(int(id.0), request),
        Message::Response { id, response } => {
            of_response(int(id.0), response, context.about.unwrap().kind())
        }
        Message::Update { id, existing, update } => {
            let (start, end) = update.filter.unwrap().resolve(None);
            let mut parameters = tokens(&update.tokens);
            parameters.time(0x02, update.object_timeout);
            C::SubscribeUpdate(m::SubscribeUpdate {
                request_id: int(id.0),
                subscription_request_id: int(existing.0),
                start_location: location(start),
                end_group: int(end.map_or(0, |end| end.group.0 + 1)),
                subscriber_priority: update.priority.unwrap().0,
                forward: forward(update.forward),
                parameters: parameters.sorted(),
            })
        }
        Message::PublishDone { id, done } => C::PublishDone(m::PublishDone {
            request_id: int(id.0),
            status_code: int(done_code(done.code)),
            stream_count: int(match done.streams {
                StreamCount::Known(count) => count,
                StreamCount::Unknown => (1 << 62) - 1,
            }),
            reason_phrase: done.reason.clone().into_bytes(),
        }),
        Message::Unsubscribe(id) => C::Unsubscribe(m::Unsubscribe { request_id: int(id.0) }),
        Message::FetchCancel(id) => C::FetchCancel(m::FetchCancel { request_id: int(id.0) }),
        Message::PublishNamespaceDone(NamespaceRef::Name(name)) => {
            C::PublishNamespaceDone(m::PublishNamespaceDone { track_namespace: namespace(name) })
        }
        Message::PublishNamespaceCancel { which: NamespaceRef::Name(name), reason, .. } => {
            C::PublishNamespaceCancel(m::PublishNamespaceCancel {
                track_namespace: namespace(name),
                error_code: int(1),
                reason_phrase: reason.clone().into_bytes(),
            })
        }
        Message::UnsubscribeNamespace(NamespaceRef::Name(name)) => {
            let track_namespace_prefix = namespace(name);
            C::UnsubscribeNamespace(m::UnsubscribeNamespace { track_namespace_prefix })
        }
        other => panic!("draft 14 has no {other:?}"),
    }
}

fn of_request(request_id: VarInt, request: &Request) -> m::ControlMessage {
    use m::ControlMessage as C;
    match request {
        Request::Subscribe(request) => {
            let (filter_type, start_location, end_group) = filter(request.filter);
            let mut parameters = tokens(&request.tokens);
            parameters.time(0x02, request.object_timeout);
            C::Subscribe(m::Subscribe {
                request_id,
                track_namespace: namespace(request.track.namespace()),
                track_name: request.track.name().as_bytes().to_vec(),
                subscriber_priority: request.priority.unwrap().0,
                group_order: order(request.order),
                forward: forward(request.forward),
                filter_type,
                start_location,
                end_group,
                parameters: parameters.sorted(),
            })
        }
        Request::Publish(request) => {
            let mut parameters = track_parameters(&request.properties, true);
            parameters.tokens(&request.tokens, quic);
            C::Publish(m::Publish {
                request_id,
                track_namespace: namespace(request.track.namespace()),
                track_name: request.track.name().as_bytes().to_vec(),
                track_alias: int(request.alias.0),
                group_order: order(request.order),
                content_exists: exists(request.largest),
                largest_location: request.largest.map(location),
                forward: forward(request.forward),
                parameters: parameters.sorted(),
            })
        }
        Request::Fetch(request) => {
            let (fetch_type, fetch_payload) = fetched(&request.range);
            C::Fetch(m::Fetch {
                request_id,
                subscriber_priority: request.priority.unwrap().0,
                group_order: order(request.order),
                fetch_type,
                fetch_payload,
                parameters: tokens(&request.tokens).sorted(),
            })
        }
        Request::TrackStatus(request) => {
            let (filter_type, start_location, end_group) = filter(LocationFilter::All);
            C::TrackStatus(m::TrackStatus {
                request_id,
                track_namespace: namespace(request.track.namespace()),
                track_name: request.track.name().as_bytes().to_vec(),
                subscriber_priority: 128,
                group_order: Order::Publisher,
                forward: Forward::Forward,
                filter_type,
                start_location,
                end_group,
                parameters: tokens(&request.tokens).sorted(),
            })
        }
        Request::PublishNamespace(request) => C::PublishNamespace(m::PublishNamespace {
            request_id,
            track_namespace: namespace(&request.namespace),
            parameters: tokens(&request.tokens).sorted(),
        }),
        Request::SubscribeNamespace(request) => C::SubscribeNamespace(m::SubscribeNamespace {
            request_id,
            track_namespace: namespace(&request.prefix),
            parameters: tokens(&request.tokens).sorted(),
        }),
    }
}

fn of_response(request_id: VarInt, response: &Response, kind: RequestKind) -> m::ControlMessage {
    use m::ControlMessage as C;
    match response {
        Response::Subscribe(ok) => C::SubscribeOk(m::SubscribeOk {
            request_id,
            track_alias: int(ok.alias.0),
            expires: int(ok.expires.map_or(0, |expires| expires.as_millis() as u64)),
            group_order: order(ok.order),
            content_exists: exists(ok.largest),
            largest_location: ok.largest.map(location),
            parameters: track_parameters(&ok.properties, true).sorted(),
        }),
        Response::Publish(ok) => {
            let (filter_type, start_location, end_group) = filter(ok.filter.unwrap());
            let mut parameters = Parameters::default();
            parameters.time(0x02, ok.object_timeout);
            C::PublishOk(m::PublishOk {
                request_id,
                forward: forward(ok.forward),
                subscriber_priority: ok.priority.unwrap().0,
                group_order: order(ok.order),
                filter_type,
                start_location,
                end_group,
                parameters: parameters.sorted(),
            })
        }
        Response::Fetch(ok) => C::FetchOk(m::FetchOk {
            request_id,
            group_order: order(ok.order),
            end_of_track: ok.end_of_track.into(),
            end_location: TheirLocation {
                group: int(ok.end.group.0),
                object: int(ok.end.object.map_or(0, |object| object.0 + 1)),
            },
            parameters: track_parameters(&ok.properties, false).sorted(),
        }),
        Response::Ok(ok) => match kind {
            RequestKind::TrackStatus => C::TrackStatusOk(m::TrackStatusOk {
                request_id,
                track_alias: int(0),
                expires: int(ok.expires.map_or(0, |expires| expires.as_millis() as u64)),
                group_order: Order::Ascending,
                content_exists: exists(ok.largest),
                largest_location: ok.largest.map(location),
                parameters: track_parameters(&ok.properties, true).sorted(),
            }),
            RequestKind::PublishNamespace => {
                C::PublishNamespaceOk(m::PublishNamespaceOk { request_id })
            }
            _ => C::SubscribeNamespaceOk(m::SubscribeNamespaceOk { request_id }),
        },
        Response::Error(error) => refusal(request_id, kind, error),
    }
}

fn refusal(request_id: VarInt, kind: RequestKind, error: &RequestError) -> m::ControlMessage {
    use m::ControlMessage as C;
    let error_code = int(request_code(error.code));
    let reason_phrase = error.reason.clone().into_bytes();
    macro_rules! refusal {
        ($name:ident) => {
            C::$name(m::$name { request_id, error_code, reason_phrase })
        };
    }
    match kind {
        RequestKind::Subscribe => refusal!(SubscribeError),
        RequestKind::Publish => refusal!(PublishError),
        RequestKind::Fetch => refusal!(FetchError),
        RequestKind::TrackStatus => refusal!(TrackStatusError),
        RequestKind::PublishNamespace => refusal!(PublishNamespaceError),
        RequestKind::SubscribeNamespace => refusal!(SubscribeNamespaceError),
    }
}
