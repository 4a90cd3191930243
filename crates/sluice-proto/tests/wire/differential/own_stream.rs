//! How the other implementation sees the messages of drafts whose requests have their own streams.
//! It has a set of types for each draft, alike but for a few messages.

use moqtap_codec::varint::VarInt;

fn int(value: u64) -> VarInt {
    VarInt::from_u64_moqt(value)
}

macro_rules! own_stream {
    ($name:ident, $blocked:ident, $goaway:expr, $notify:expr, $filter:expr, $fetch:expr, $end:expr, $unknown:expr) => {
        pub mod $name {
            use moqtap_codec::$name::message as m;
            use sluice_proto::model::*;
            use sluice_proto::session::Response;
            use sluice_proto::wire::{Context, Message};

            use super::super::Theirs;
            use super::super::parameters::{
                Settings, WriteFilter, done_code, fill, moqt, namespace, properties, request_code,
                setup,
            };
            use super::int;

            /// The block inside FILL_PARAMETERS.
            fn block(of: Option<&Fill>) -> Option<Vec<u8>> {
                // The newest draft's filter has no length.
                let filter: WriteFilter = $filter;
                of.map(|of| fill(of, filter, stringify!($name) != "draft22"))
            }

            pub fn theirs(message: &Message, context: &Context) -> Theirs {
                compared(picture(message, context))
            }

            compared!();

            fn picture(message: &Message, context: &Context) -> m::ControlMessage {
                use m::ControlMessage as C;
                let filter: WriteFilter = $filter;
                match message {
                    Message::Setup(options) => C::Setup(m::Setup { options: setup(options, moqt) }),
                    Message::Goaway(goaway) => {
                        let of: fn(&Goaway, &Context) -> m::GoAway = $goaway;
                        C::GoAway(of(goaway, context))
                    }
                    Message::Request { id, request } => of_request(int(id.0), request),
                    Message::Response { response, .. } => of_response(response),
                    Message::Update { id, update, .. } => {
                        let settings = Settings {
                            fill: block(update.fill.as_ref()),
                            ..Settings::of_update(update, filter)
                        };
                        let parameters = settings.pairs(moqt);
                        C::RequestUpdate(m::RequestUpdate { request_id: int(id.0), parameters })
                    }
                    Message::PublishDone { done, .. } => C::PublishDone(m::PublishDone {
                        status_code: int(done_code(done.code)),
                        stream_count: int(match done.streams {
                            StreamCount::Known(count) => count,
                            StreamCount::Unknown => $unknown,
                        }),
                        reason_phrase: done.reason.clone().into_bytes(),
                    }),
                    Message::StateNotify { notify, .. } => {
                        let of: fn(Settings<'_>) -> m::ControlMessage = $notify;
                        of(Settings {
                            largest: notify.largest,
                            forward: notify.forward,
                            filter: notify.filter.map(filter),
                            ..Settings::default()
                        })
                    }
                    Message::Namespace { suffix } => {
                        C::Namespace(m::Namespace { namespace_suffix: namespace(suffix) })
                    }
                    Message::NamespaceDone { suffix } => {
                        C::NamespaceDone(m::NamespaceDone { namespace_suffix: namespace(suffix) })
                    }
                    Message::PublishBlocked { suffix, name } => C::$blocked(m::$blocked {
                        namespace_suffix: namespace(suffix),
                        track_name: name.as_bytes().to_vec(),
                    }),
                    other => panic!("the draft has no {other:?}"),
                }
            }

            fn of_request(
                request_id: moqtap_codec::varint::VarInt,
                request: &Request,
            ) -> m::ControlMessage {
                use m::ControlMessage as C;
                let filter: WriteFilter = $filter;
                match request {
                    Request::Subscribe(request) => {
                        let settings = Settings {
                            fill: block(request.fill.as_ref()),
                            ..Settings::of_subscribe(request, filter)
                        };
                        C::Subscribe(m::Subscribe {
                            request_id,
                            track_namespace: namespace(request.track.namespace()),
                            track_name: request.track.name().as_bytes().to_vec(),
                            parameters: settings.pairs(moqt),
                        })
                    }
                    Request::Publish(request) => C::Publish(m::Publish {
                        request_id,
                        track_namespace: namespace(request.track.namespace()),
                        track_name: request.track.name().as_bytes().to_vec(),
                        track_alias: int(request.alias.0),
                        parameters: Settings::of_publish(request, filter).pairs(moqt),
                        track_properties: properties(&request.properties.0),
                    }),
                    Request::Fetch(request) => {
                        let of: fn(
                            moqtap_codec::varint::VarInt,
                            &FetchRange,
                            Settings<'_>,
                        ) -> m::Fetch = $fetch;
                        C::Fetch(of(request_id, &request.range, Settings::of_fetch(request)))
                    }
                    Request::TrackStatus(request) => C::TrackStatus(m::TrackStatus {
                        request_id,
                        track_namespace: namespace(request.track.namespace()),
                        track_name: request.track.name().as_bytes().to_vec(),
                        parameters: Settings::of_track_status(request).pairs(moqt),
                    }),
                    Request::PublishNamespace(request) => {
                        C::PublishNamespace(m::PublishNamespace {
                            request_id,
                            track_namespace: namespace(&request.namespace),
                            parameters: Settings::of_tokens(&request.tokens).pairs(moqt),
                        })
                    }
                    Request::SubscribeNamespace(request) => {
                        let namespace_prefix = namespace(&request.prefix);
                        let parameters = Settings::of_subscribe_namespace(request).pairs(moqt);
                        match request.interest {
                            Interest::Tracks => C::SubscribeTracks(m::SubscribeTracks {
                                request_id,
                                namespace_prefix,
                                parameters,
                            }),
                            _ => C::SubscribeNamespace(m::SubscribeNamespace {
                                request_id,
                                namespace_prefix,
                                parameters,
                            }),
                        }
                    }
                }
            }

            fn of_response(response: &Response) -> m::ControlMessage {
                use m::ControlMessage as C;
                let filter: WriteFilter = $filter;
                match response {
                    Response::Subscribe(ok) => C::SubscribeOk(m::SubscribeOk {
                        track_alias: int(ok.alias.0),
                        parameters: Settings::of_track(ok.expires, ok.largest).pairs(moqt),
                        track_properties: properties(&ok.properties.0),
                    }),
                    Response::Publish(ok) => {
                        let parameters = Settings::of_publish_ok(ok, filter).pairs(moqt);
                        C::RequestOk(m::RequestOk { parameters, track_properties: vec![] })
                    }
                    Response::Fetch(ok) => {
                        let end: fn(Option<ObjectId>) -> u64 = $end;
                        C::FetchOk(m::FetchOk {
                            end_of_track: ok.end_of_track.into(),
                            end_group: int(ok.end.group.0),
                            end_object: int(end(ok.end.object)),
                            parameters: vec![],
                            track_properties: properties(&ok.properties.0),
                        })
                    }
                    Response::Ok(ok) => C::RequestOk(m::RequestOk {
                        parameters: Settings::of_track(ok.expires, ok.largest).pairs(moqt),
                        track_properties: properties(&ok.properties.0),
                    }),
                    Response::Error(error) => C::RequestError(m::RequestError {
                        error_code: int(request_code(error.code)),
                        retry_interval: int(error
                            .retry_after
                            .map_or(0, |after| after.as_millis() as u64 + 1)),
                        reason_phrase: error.reason.clone().into_bytes(),
                        redirect: error.redirect.as_ref().map(|redirect| m::Redirect {
                            connect_uri: redirect.uri.clone().into_bytes(),
                            track_namespace: namespace(redirect.track.namespace()),
                            track_name: redirect.track.name().as_bytes().to_vec(),
                        }),
                    }),
                }
            }
        }
    };
}

/// A group of drafts whose requests differ in few places.
macro_rules! typed {
    ($name:ident, $blocked:ident, $goaway:expr) => {
        own_stream! {
                $name,
                $blocked,
                $goaway,
                |_| panic!("the draft has no PUBLISH_STATE_NOTIFY"),
                |filter| super::super::parameters::typed_filter(filter, true, moqt),
        |request_id, range, settings| {
            fetched!(u64::MAX);
            let (fetch_type, fetch_payload) = fetched(range);
            m::Fetch { request_id, fetch_type, fetch_payload, parameters: settings.pairs(moqt) }
        },
                |object| object.map_or(0, |object| object.0 + 1),
                (1 << 62) - 1
            }
    };
}

typed!(draft18, PublishBlocked, |goaway, _| m::GoAway {
    new_session_uri: goaway.uri.clone().into_bytes(),
    timeout: int(goaway.timeout.map_or(0, |timeout| timeout.as_millis() as u64)),
    request_id: goaway.first_unprocessed.map(|id| int(id.0)),
});
typed!(draft19, PublishSkipped, |goaway, _| m::GoAway {
    new_session_uri: goaway.uri.clone().into_bytes(),
    timeout: int(goaway.timeout.map_or(0, |timeout| timeout.as_millis() as u64)),
});

/// Those that name a range by a filter.
macro_rules! filtered {
    ($name:ident, $filter:ident) => {
        own_stream! {
                $name,
                PublishSkipped,
                |goaway, _| m::GoAway {
                    new_session_uri: goaway.uri.clone().into_bytes(),
                    timeout: int(goaway.timeout.map_or(0, |timeout| timeout.as_millis() as u64)),
                },
                |settings| m::ControlMessage::PublishStateNotify(m::PublishStateNotify {
                    parameters: settings.pairs(moqt),
                }),
                super::super::parameters::$filter,
        |request_id, range, settings| {
            let FetchRange::Standalone(track, range) = range else {
                panic!("the draft has no joining fetch");
            };
            let range = Some(*range).filter(|&range| range != LocationFilter::All);
            let filter = range.map(super::super::parameters::$filter);
            m::Fetch {
                request_id,
                track_namespace: namespace(track.namespace()),
                track_name: track.name().as_bytes().to_vec(),
                parameters: Settings { filter, ..settings }.pairs(moqt),
            }
        },
                |object| object.expect("the draft names the last object").0,
                u64::MAX
            }
    };
}

filtered!(draft20, counted_filter);
filtered!(draft21, counted_filter);
filtered!(draft22, filter_of_type);
