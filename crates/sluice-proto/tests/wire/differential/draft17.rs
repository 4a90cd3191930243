//! How the other implementation sees the messages of draft 17.

use moqtap_codec::draft17::message as m;
use moqtap_codec::varint::VarInt;
use sluice_proto::model::*;
use sluice_proto::session::Response;
use sluice_proto::wire::{Context, Message};

use super::Theirs;
use super::parameters::{
    Settings, done_code, interest, moqt_short, namespace, properties, request_code, setup,
    typed_filter,
};

pub fn theirs(message: &Message, _: &Context) -> Theirs {
    compared(picture(message))
}

compared!();
fetched!(u64::MAX);

fn int(value: u64) -> VarInt {
    VarInt::from_u64_moqt(value)
}

fn filter(filter: LocationFilter) -> Vec<u8> {
    typed_filter(filter, true, moqt_short)
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
            let settings = Settings::of_update(update, filter);
            C::RequestUpdate(m::RequestUpdate {
                request_id: int(id.0),
                required_request_id_delta: int(0),
                parameters: settings.pairs(moqt_short),
            })
        }
        Message::PublishDone { done, .. } => C::PublishDone(m::PublishDone {
            status_code: int(done_code(done.code)),
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

fn of_request(request_id: VarInt, request: &Request) -> m::ControlMessage {
    use m::ControlMessage as C;
    match request {
        Request::Subscribe(request) => C::Subscribe(m::Subscribe {
            request_id,
            required_request_id_delta: int(0),
            track_namespace: namespace(request.track.namespace()),
            track_name: request.track.name().as_bytes().to_vec(),
            parameters: Settings::of_subscribe(request, filter).pairs(moqt_short),
        }),
        Request::Publish(request) => C::Publish(m::Publish {
            request_id,
            required_request_id_delta: int(0),
            track_namespace: namespace(request.track.namespace()),
            track_name: request.track.name().as_bytes().to_vec(),
            track_alias: int(request.alias.0),
            parameters: Settings::of_publish(request, filter).pairs(moqt_short),
            track_properties: properties(&request.properties.0),
        }),
        Request::Fetch(request) => {
            let (fetch_type, fetch_payload) = fetched(&request.range);
            C::Fetch(m::Fetch {
                request_id,
                required_request_id_delta: int(0),
                fetch_type,
                fetch_payload,
                parameters: Settings::of_fetch(request).pairs(moqt_short),
            })
        }
        Request::TrackStatus(request) => C::TrackStatus(m::TrackStatus {
            request_id,
            required_request_id_delta: int(0),
            track_namespace: namespace(request.track.namespace()),
            track_name: request.track.name().as_bytes().to_vec(),
            parameters: Settings::of_tokens(&request.tokens).pairs(moqt_short),
        }),
        Request::PublishNamespace(request) => C::PublishNamespace(m::PublishNamespace {
            request_id,
            required_request_id_delta: int(0),
            track_namespace: namespace(&request.namespace),
            parameters: Settings::of_tokens(&request.tokens).pairs(moqt_short),
        }),
        Request::SubscribeNamespace(request) => C::SubscribeNamespace(m::SubscribeNamespace {
            request_id,
            required_request_id_delta: int(0),
            namespace_prefix: namespace(&request.prefix),
            subscribe_options: int(interest(request.interest)),
            parameters: Settings::of_subscribe_namespace(request).pairs(moqt_short),
        }),
    }
}

fn of_response(response: &Response) -> m::ControlMessage {
    use m::ControlMessage as C;
    match response {
        Response::Subscribe(ok) => C::SubscribeOk(m::SubscribeOk {
            track_alias: int(ok.alias.0),
            parameters: Settings::of_track(ok.expires, ok.largest).pairs(moqt_short),
            track_properties: properties(&ok.properties.0),
        }),
        Response::Publish(ok) => C::PublishOk(m::PublishOk {
            parameters: Settings::of_publish_ok(ok, filter).pairs(moqt_short),
        }),
        Response::Fetch(ok) => C::FetchOk(m::FetchOk {
            end_of_track: ok.end_of_track.into(),
            end_group: int(ok.end.group.0),
            end_object: int(ok.end.object.map_or(0, |object| object.0 + 1)),
            parameters: vec![],
            track_properties: properties(&ok.properties.0),
        }),
        Response::Ok(ok) => C::RequestOk(m::RequestOk {
            parameters: Settings::of_track(ok.expires, ok.largest).pairs(moqt_short),
        }),
        Response::Error(error) => C::RequestError(m::RequestError {
            error_code: int(request_code(error.code)),
            retry_interval: int(error.retry_after.map_or(0, |after| after.as_millis() as u64 + 1)),
            reason_phrase: error.reason.clone().into_bytes(),
        }),
    }
}
