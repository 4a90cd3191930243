//! How the other implementation sees the messages of draft 15.

use bytes::Buf;
use moqtap_codec::draft15::message as m;
use moqtap_codec::kvp::KeyValuePair;
use moqtap_codec::varint::VarInt;
use sluice_proto::model::*;
use sluice_proto::session::Response;
use sluice_proto::wire::{Context, Message, NamespaceRef};

use super::Theirs;
use super::parameters::{Parameters, location, namespace, order, quic, setup, typed_filter};

pub fn theirs(message: &Message, _: &Context) -> Theirs {
    let picture = picture(message);
    let mut bytes = Vec::new();
    picture.encode(&mut bytes).expect("they can write it");
    let reads = Box::new(move |bytes: &[u8]| {
        let mut bytes = bytes;
        let read = m::ControlMessage::decode(&mut bytes).map_err(|error| error.to_string())?;
        match read == picture && !bytes.has_remaining() {
            true => Ok(()),
            false => Err(format!("{read:?} is not {picture:?}")),
        }
    });
    Theirs { bytes, reads }
}

fn int(value: u64) -> VarInt {
    VarInt::from_u64(value).unwrap()
}

fn filter(filter: LocationFilter) -> Vec<u8> {
    typed_filter(filter, false, quic)
}

fn code(code: RequestCode) -> VarInt {
    int(match code {
        RequestCode::Unauthorized => 1,
        RequestCode::NotSupported => 3,
        _ => 0,
    })
}

fn picture(message: &Message) -> m::ControlMessage {
    use m::ControlMessage as C;
    match message {
        Message::ClientSetup { options, .. } => {
            C::ClientSetup(m::ClientSetup { parameters: setup(options, quic) })
        }
        Message::ServerSetup { options, .. } => {
            C::ServerSetup(m::ServerSetup { parameters: setup(options, quic) })
        }
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
        Message::Response { id, response } => of_response(int(id.0), response),
        Message::Update { id, existing, update } => {
            let mut parameters = Parameters::default();
            parameters.time(0x02, update.object_timeout);
            parameters.tokens(&update.tokens, quic);
            parameters.int(0x10, update.forward.map(u64::from));
            parameters.int(0x20, update.priority.map(|priority| priority.0.into()));
            parameters.bytes(0x21, update.filter.map(filter));
            parameters.int(0x32, update.new_group.map(|group| group.0));
            C::SubscribeUpdate(m::SubscribeUpdate {
                request_id: int(id.0),
                subscription_request_id: int(existing.0),
                parameters: parameters.sorted(),
            })
        }
        Message::PublishDone { id, done } => C::PublishDone(m::PublishDone {
            request_id: int(id.0),
            status_code: int(match done.code {
                DoneCode::TrackEnded => 2,
                DoneCode::GoingAway => 4,
                _ => 0,
            }),
            stream_count: int(match done.streams {
                StreamCount::Known(count) => count,
                StreamCount::Unknown => (1 << 62) - 1,
            }),
            reason_phrase: done.reason.clone().into_bytes(),
        }),
        Message::Unsubscribe(id) => C::Unsubscribe(m::Unsubscribe { request_id: int(id.0) }),
        Message::FetchCancel(id) => C::FetchCancel(m::FetchCancel { request_id: int(id.0) }),
        Message::UnsubscribeNamespace(NamespaceRef::Request(id)) => {
            C::UnsubscribeNamespace(m::UnsubscribeNamespace { request_id: int(id.0) })
        }
        Message::PublishNamespaceDone(NamespaceRef::Name(name)) => {
            C::PublishNamespaceDone(m::PublishNamespaceDone { track_namespace: namespace(name) })
        }
        Message::PublishNamespaceCancel { which: NamespaceRef::Name(name), code: why, reason } => {
            C::PublishNamespaceCancel(m::PublishNamespaceCancel {
                track_namespace: namespace(name),
                error_code: code(*why),
                reason_phrase: reason.clone().into_bytes(),
            })
        }
        other => panic!("draft 15 has no {other:?}"),
    }
}

fn tokens(tokens: &[Token]) -> Vec<KeyValuePair> {
    let mut parameters = Parameters::default();
    parameters.tokens(tokens, quic);
    parameters.0
}

/// What later drafts have as properties, but for the group order, which is a message's own.
fn of_track(parameters: &mut Parameters, properties: &TrackProperties) {
    let settings = properties.settings().expect("only legal ones are made");
    parameters.time(0x02, settings.object_timeout);
    parameters.time(0x04, settings.max_cache);
    parameters.int(0x0E, settings.priority.map(|priority| priority.0.into()));
    parameters.int(0x30, settings.dynamic_groups.map(u64::from));
}

fn of_request(request_id: VarInt, request: &Request) -> m::ControlMessage {
    use m::ControlMessage as C;
    let mut parameters = Parameters::default();
    match request {
        Request::Subscribe(request) => {
            let stated = Some(request.filter).filter(|&filter| filter != LocationFilter::All);
            parameters.time(0x02, request.object_timeout);
            parameters.tokens(&request.tokens, quic);
            parameters.int(0x10, request.forward.map(u64::from));
            parameters.int(0x20, request.priority.map(|priority| priority.0.into()));
            parameters.bytes(0x21, stated.map(filter));
            parameters.int(0x22, order(request.order));
            parameters.int(0x32, request.new_group.map(|group| group.0));
            C::Subscribe(m::Subscribe {
                request_id,
                track_namespace: namespace(request.track.namespace()),
                track_name: request.track.name().as_bytes().to_vec(),
                parameters: parameters.sorted(),
            })
        }
        Request::Publish(request) => {
            parameters.tokens(&request.tokens, quic);
            of_track(&mut parameters, &request.properties);
            parameters.int(0x22, order(request.order));
            parameters.time(0x08, request.expires);
            parameters.bytes(0x09, location(request.largest, quic));
            parameters.int(0x10, request.forward.map(u64::from));
            C::Publish(m::Publish {
                request_id,
                track_namespace: namespace(request.track.namespace()),
                track_name: request.track.name().as_bytes().to_vec(),
                track_alias: int(request.alias.0),
                parameters: parameters.sorted(),
            })
        }
        Request::Fetch(request) => {
            let (fetch_type, fetch_payload) = fetch(&request.range);
            parameters.tokens(&request.tokens, quic);
            parameters.int(0x20, request.priority.map(|priority| priority.0.into()));
            parameters.int(0x22, order(request.order));
            let parameters = parameters.sorted();
            C::Fetch(m::Fetch { request_id, fetch_type, fetch_payload, parameters })
        }
        Request::TrackStatus(request) => C::TrackStatus(m::TrackStatus {
            request_id,
            track_namespace: namespace(request.track.namespace()),
            track_name: request.track.name().as_bytes().to_vec(),
            parameters: tokens(&request.tokens),
        }),
        Request::PublishNamespace(request) => C::PublishNamespace(m::PublishNamespace {
            request_id,
            track_namespace: namespace(&request.namespace),
            parameters: tokens(&request.tokens),
        }),
        Request::SubscribeNamespace(request) => {
            parameters.tokens(&request.tokens, quic);
            parameters.int(0x10, request.forward.map(u64::from));
            C::SubscribeNamespace(m::SubscribeNamespace {
                request_id,
                namespace_prefix: namespace(&request.prefix),
                parameters: parameters.sorted(),
            })
        }
    }
}

fn fetch(range: &FetchRange) -> (m::FetchType, m::FetchPayload) {
    match range {
        FetchRange::Joining(id, start) => {
            let (kind, start) = match start {
                JoiningStart::Relative(groups) => (m::FetchType::RelativeJoining, *groups),
                JoiningStart::Absolute(group) => (m::FetchType::AbsoluteJoining, group.0),
            };
            let joining_request_id = int(id.0);
            (kind, m::FetchPayload::Joining { joining_request_id, joining_start: int(start) })
        }
        FetchRange::Standalone(track, range) => {
            let (start, end) = range.resolve(None);
            let open = RangeEnd { group: GroupId((1 << 62) - 1), object: None };
            let end = end.unwrap_or(open);
            let payload = m::FetchPayload::Standalone {
                track_namespace: namespace(track.namespace()),
                track_name: track.name().as_bytes().to_vec(),
                start_group: int(start.group.0),
                start_object: int(start.object.0),
                end_group: int(end.group.0),
                end_object: int(end.object.map_or(0, |object| object.0 + 1)),
            };
            (m::FetchType::Standalone, payload)
        }
    }
}

fn of_response(request_id: VarInt, response: &Response) -> m::ControlMessage {
    use m::ControlMessage as C;
    let mut parameters = Parameters::default();
    match response {
        Response::Subscribe(ok) => {
            of_track(&mut parameters, &ok.properties);
            parameters.int(0x22, order(ok.order));
            parameters.time(0x08, ok.expires);
            parameters.bytes(0x09, location(ok.largest, quic));
            C::SubscribeOk(m::SubscribeOk {
                request_id,
                track_alias: int(ok.alias.0),
                parameters: parameters.sorted(),
            })
        }
        Response::Publish(ok) => {
            parameters.time(0x02, ok.object_timeout);
            parameters.time(0x08, ok.expires);
            parameters.int(0x10, ok.forward.map(u64::from));
            parameters.int(0x20, ok.priority.map(|priority| priority.0.into()));
            parameters.bytes(0x21, ok.filter.map(filter));
            parameters.int(0x22, order(ok.order));
            parameters.int(0x32, ok.new_group.map(|group| group.0));
            C::PublishOk(m::PublishOk { request_id, parameters: parameters.sorted() })
        }
        Response::Fetch(ok) => C::FetchOk(m::FetchOk {
            request_id,
            end_of_track: ok.end_of_track.into(),
            end_group: int(ok.end.group.0),
            end_object: int(ok.end.object.map_or(0, |object| object.0 + 1)),
            parameters: {
                of_track(&mut parameters, &ok.properties);
                parameters.sorted()
            },
        }),
        Response::Ok(ok) => {
            of_track(&mut parameters, &ok.properties);
            parameters.time(0x08, ok.expires);
            parameters.bytes(0x09, location(ok.largest, quic));
            C::RequestOk(m::RequestOk { request_id, parameters: parameters.sorted() })
        }
        Response::Error(error) => C::RequestError(m::RequestError {
            request_id,
            error_code: code(error.code),
            reason_phrase: error.reason.clone().into_bytes(),
        }),
    }
}
