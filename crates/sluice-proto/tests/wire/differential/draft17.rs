//! How the other implementation sees the messages of draft 17.

use bytes::Buf;
use moqtap_codec::draft17::message as m;
use moqtap_codec::kvp::KeyValuePair;
use moqtap_codec::varint::VarInt;
use sluice_proto::model::*;
use sluice_proto::session::Response;
use sluice_proto::wire::{Context, Message};

use super::Theirs;
use super::parameters::{
    Parameters, location, moqt_short, namespace, order, properties, setup, typed_filter,
};

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
    VarInt::from_u64_moqt(value)
}

fn filter(filter: LocationFilter) -> Vec<u8> {
    typed_filter(filter, true, moqt_short)
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
        Message::Setup(options) => C::Setup(m::Setup { options: setup(options, moqt_short) }),
        Message::Goaway(goaway) => C::GoAway(m::GoAway {
            new_session_uri: goaway.uri.clone().into_bytes(),
            timeout: int(goaway.timeout.map_or(0, |timeout| timeout.as_millis() as u64)),
        }),
        Message::Request { id, request } => of_request(int(id.0), request),
        Message::Response { response, .. } => of_response(response),
        Message::Update { id, update, .. } => {
            let mut parameters = Parameters::default();
            parameters.time(0x02, update.object_timeout);
            parameters.tokens(&update.tokens, moqt_short);
            parameters.int(0x10, update.forward.map(u64::from));
            parameters.int(0x20, update.priority.map(|priority| priority.0.into()));
            parameters.bytes(0x21, update.filter.map(filter));
            parameters.int(0x32, update.new_group.map(|group| group.0));
            C::RequestUpdate(m::RequestUpdate {
                request_id: int(id.0),
                required_request_id_delta: int(0),
                parameters: parameters.sorted(),
            })
        }
        Message::PublishDone { done, .. } => C::PublishDone(m::PublishDone {
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
        Message::Namespace { suffix } => {
            C::Namespace(m::Namespace { namespace_suffix: namespace(suffix) })
        }
        Message::NamespaceDone { suffix } => {
            C::NamespaceDone(m::NamespaceDone { namespace_suffix: namespace(suffix) })
        }
        Message::PublishBlocked { suffix, name } => C::PublishBlocked(m::PublishBlocked {
            namespace_suffix: namespace(suffix),
            track_name: name.as_bytes().to_vec(),
        }),
        other => panic!("draft 17 has no {other:?}"),
    }
}

fn tokens(tokens: &[Token]) -> Vec<KeyValuePair> {
    let mut parameters = Parameters::default();
    parameters.tokens(tokens, moqt_short);
    parameters.0
}

fn of_request(request_id: VarInt, request: &Request) -> m::ControlMessage {
    use m::ControlMessage as C;
    let mut parameters = Parameters::default();
    match request {
        Request::Subscribe(request) => {
            let stated = Some(request.filter).filter(|&filter| filter != LocationFilter::All);
            parameters.time(0x02, request.object_timeout);
            parameters.tokens(&request.tokens, moqt_short);
            parameters.time(0x04, request.rendezvous_timeout);
            parameters.int(0x10, request.forward.map(u64::from));
            parameters.int(0x20, request.priority.map(|priority| priority.0.into()));
            parameters.bytes(0x21, stated.map(filter));
            parameters.int(0x22, order(request.order));
            parameters.int(0x32, request.new_group.map(|group| group.0));
            C::Subscribe(m::Subscribe {
                request_id,
                required_request_id_delta: int(0),
                track_namespace: namespace(request.track.namespace()),
                track_name: request.track.name().as_bytes().to_vec(),
                parameters: parameters.sorted(),
            })
        }
        Request::Publish(request) => {
            parameters.tokens(&request.tokens, moqt_short);
            parameters.time(0x08, request.expires);
            parameters.bytes(0x09, location(request.largest, moqt_short));
            parameters.int(0x10, request.forward.map(u64::from));
            C::Publish(m::Publish {
                request_id,
                required_request_id_delta: int(0),
                track_namespace: namespace(request.track.namespace()),
                track_name: request.track.name().as_bytes().to_vec(),
                track_alias: int(request.alias.0),
                parameters: parameters.sorted(),
                track_properties: properties(&request.properties.0),
            })
        }
        Request::Fetch(request) => {
            let (fetch_type, fetch_payload) = fetch(&request.range);
            parameters.tokens(&request.tokens, moqt_short);
            parameters.int(0x20, request.priority.map(|priority| priority.0.into()));
            parameters.int(0x22, order(request.order));
            let parameters = parameters.sorted();
            C::Fetch(m::Fetch {
                request_id,
                required_request_id_delta: int(0),
                fetch_type,
                fetch_payload,
                parameters,
            })
        }
        Request::TrackStatus(request) => C::TrackStatus(m::TrackStatus {
            request_id,
            required_request_id_delta: int(0),
            track_namespace: namespace(request.track.namespace()),
            track_name: request.track.name().as_bytes().to_vec(),
            parameters: tokens(&request.tokens),
        }),
        Request::PublishNamespace(request) => C::PublishNamespace(m::PublishNamespace {
            request_id,
            required_request_id_delta: int(0),
            track_namespace: namespace(&request.namespace),
            parameters: tokens(&request.tokens),
        }),
        Request::SubscribeNamespace(request) => {
            parameters.tokens(&request.tokens, moqt_short);
            parameters.int(0x10, request.forward.map(u64::from));
            C::SubscribeNamespace(m::SubscribeNamespace {
                request_id,
                required_request_id_delta: int(0),
                namespace_prefix: namespace(&request.prefix),
                subscribe_options: int(match request.interest {
                    Interest::Tracks => 0,
                    Interest::Namespaces => 1,
                    Interest::Both => 2,
                }),
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
            let open = RangeEnd { group: GroupId(u64::MAX), object: None };
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

fn of_response(response: &Response) -> m::ControlMessage {
    use m::ControlMessage as C;
    let mut parameters = Parameters::default();
    match response {
        Response::Subscribe(ok) => {
            parameters.time(0x08, ok.expires);
            parameters.bytes(0x09, location(ok.largest, moqt_short));
            C::SubscribeOk(m::SubscribeOk {
                track_alias: int(ok.alias.0),
                parameters: parameters.sorted(),
                track_properties: properties(&ok.properties.0),
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
            C::PublishOk(m::PublishOk { parameters: parameters.sorted() })
        }
        Response::Fetch(ok) => C::FetchOk(m::FetchOk {
            end_of_track: ok.end_of_track.into(),
            end_group: int(ok.end.group.0),
            end_object: int(ok.end.object.map_or(0, |object| object.0 + 1)),
            parameters: vec![],
            track_properties: properties(&ok.properties.0),
        }),
        Response::Ok(ok) => {
            parameters.time(0x08, ok.expires);
            parameters.bytes(0x09, location(ok.largest, moqt_short));
            C::RequestOk(m::RequestOk { parameters: parameters.sorted() })
        }
        Response::Error(error) => C::RequestError(m::RequestError {
            error_code: code(error.code),
            retry_interval: int(error.retry_after.map_or(0, |after| after.as_millis() as u64 + 1)),
            reason_phrase: error.reason.clone().into_bytes(),
        }),
    }
}
