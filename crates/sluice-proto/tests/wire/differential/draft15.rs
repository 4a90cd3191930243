//! How the other implementation sees the messages of draft 15.

use moqtap_codec::draft15::message as m;
use moqtap_codec::kvp::KeyValuePair;
use moqtap_codec::varint::VarInt;
use sluice_proto::model::*;
use sluice_proto::session::Response;
use sluice_proto::wire::{Context, Message, NamespaceRef};

use super::Theirs;
use super::parameters::{Settings, done_code, namespace, quic, request_code, setup, typed_filter};

pub fn theirs(message: &Message, _: &Context) -> Theirs {
    compared(picture(message))
}

compared!();
fetched!((1 << 62) - 1);

fn int(value: u64) -> VarInt {
    VarInt::from_u64(value).unwrap()
}

fn filter(filter: LocationFilter) -> Vec<u8> {
    typed_filter(filter, false, quic)
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
            let settings = Settings::of_update(update, filter);
            C::SubscribeUpdate(m::SubscribeUpdate {
                request_id: int(id.0),
                subscription_request_id: int(existing.0),
                parameters: settings.pairs(quic),
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
        Message::UnsubscribeNamespace(NamespaceRef::Request(id)) => {
            C::UnsubscribeNamespace(m::UnsubscribeNamespace { request_id: int(id.0) })
        }
        Message::PublishNamespaceDone(NamespaceRef::Name(name)) => {
            C::PublishNamespaceDone(m::PublishNamespaceDone { track_namespace: namespace(name) })
        }
        Message::PublishNamespaceCancel { which: NamespaceRef::Name(name), code: why, reason } => {
            C::PublishNamespaceCancel(m::PublishNamespaceCancel {
                track_namespace: namespace(name),
                error_code: int(request_code(*why)),
                reason_phrase: reason.clone().into_bytes(),
            })
        }
        other => panic!("draft 15 has no {other:?}"),
    }
}

/// What later drafts have as properties, but for the group order, which is a message's own.
fn of_track(settings: Settings<'_>, properties: &TrackProperties) -> Vec<KeyValuePair> {
    let mut parameters = settings.parameters(quic);
    let settings = properties.settings().expect("only legal ones are made");
    parameters.time(0x02, settings.object_timeout);
    parameters.time(0x04, settings.max_cache);
    parameters.int(0x0E, settings.priority.map(|priority| priority.0.into()));
    parameters.int(0x30, settings.dynamic_groups.map(u64::from));
    parameters.sorted()
}

fn of_request(request_id: VarInt, request: &Request) -> m::ControlMessage {
    use m::ControlMessage as C;
    match request {
        Request::Subscribe(request) => C::Subscribe(m::Subscribe {
            request_id,
            track_namespace: namespace(request.track.namespace()),
            track_name: request.track.name().as_bytes().to_vec(),
            parameters: Settings::of_subscribe(request, filter).pairs(quic),
        }),
        Request::Publish(request) => C::Publish(m::Publish {
            request_id,
            track_namespace: namespace(request.track.namespace()),
            track_name: request.track.name().as_bytes().to_vec(),
            track_alias: int(request.alias.0),
            parameters: of_track(Settings::of_publish(request, filter), &request.properties),
        }),
        Request::Fetch(request) => {
            let (fetch_type, fetch_payload) = fetched(&request.range);
            C::Fetch(m::Fetch {
                request_id,
                fetch_type,
                fetch_payload,
                parameters: Settings::of_fetch(request).pairs(quic),
            })
        }
        Request::TrackStatus(request) => C::TrackStatus(m::TrackStatus {
            request_id,
            track_namespace: namespace(request.track.namespace()),
            track_name: request.track.name().as_bytes().to_vec(),
            parameters: Settings::of_tokens(&request.tokens).pairs(quic),
        }),
        Request::PublishNamespace(request) => C::PublishNamespace(m::PublishNamespace {
            request_id,
            track_namespace: namespace(&request.namespace),
            parameters: Settings::of_tokens(&request.tokens).pairs(quic),
        }),
        Request::SubscribeNamespace(request) => C::SubscribeNamespace(m::SubscribeNamespace {
            request_id,
            namespace_prefix: namespace(&request.prefix),
            parameters: Settings::of_subscribe_namespace(request).pairs(quic),
        }),
    }
}

fn of_response(request_id: VarInt, response: &Response) -> m::ControlMessage {
    use m::ControlMessage as C;
    match response {
        Response::Subscribe(ok) => C::SubscribeOk(m::SubscribeOk {
            request_id,
            track_alias: int(ok.alias.0),
            parameters: of_track(
                Settings { order: ok.order, ..Settings::of_track(ok.expires, ok.largest) },
                &ok.properties,
            ),
        }),
        Response::Publish(ok) => C::PublishOk(m::PublishOk {
            request_id,
            parameters: Settings::of_publish_ok(ok, filter).pairs(quic),
        }),
        Response::Fetch(ok) => C::FetchOk(m::FetchOk {
            request_id,
            end_of_track: ok.end_of_track.into(),
            end_group: int(ok.end.group.0),
            end_object: int(ok.end.object.map_or(0, |object| object.0 + 1)),
            parameters: of_track(Settings::default(), &ok.properties),
        }),
        Response::Ok(ok) => C::RequestOk(m::RequestOk {
            request_id,
            parameters: of_track(Settings::of_track(ok.expires, ok.largest), &ok.properties),
        }),
        Response::Error(error) => C::RequestError(m::RequestError {
            request_id,
            error_code: int(request_code(error.code)),
            reason_phrase: error.reason.clone().into_bytes(),
        }),
    }
}
