//! How the other implementation sees the messages of drafts whose requests have their own streams.
//! It has a set of types for each draft, alike but for a few messages.

use moqtap_codec::varint::VarInt;
use sluice_proto::model::*;

use super::parameters::{Parameters, location, moqt, order};

fn int(value: u64) -> VarInt {
    VarInt::from_u64_moqt(value)
}

fn code(code: RequestCode) -> VarInt {
    int(match code {
        RequestCode::Unauthorized => 1,
        RequestCode::NotSupported => 3,
        RequestCode::Redirect => 0x34,
        _ => 0,
    })
}

/// The settings that messages of these drafts share, each where its message has it.
#[derive(Default)]
struct Settings<'m> {
    object_timeout: Option<std::time::Duration>,
    tokens: &'m [Token],
    rendezvous_timeout: Option<std::time::Duration>,
    subgroup_timeout: Option<std::time::Duration>,
    expires: Option<std::time::Duration>,
    largest: Option<Location>,
    fill_timeout: Option<std::time::Duration>,
    forward: Option<bool>,
    priority: Option<Priority>,
    filter: Option<Vec<u8>>,
    order: Option<GroupOrder>,
    fill: Option<Vec<u8>>,
    range_filters: &'m [RangeFilter],
    new_group: Option<GroupId>,
    prefix: Option<&'m TrackNamespace>,
    include_properties: Option<bool>,
}

impl Settings<'_> {
    fn pairs(self) -> Vec<moqtap_codec::kvp::KeyValuePair> {
        let mut parameters = Parameters::default();
        parameters.time(0x02, self.object_timeout);
        parameters.tokens(self.tokens, moqt);
        parameters.time(0x04, self.rendezvous_timeout);
        parameters.time(0x06, self.subgroup_timeout);
        parameters.time(0x08, self.expires);
        parameters.bytes(0x09, location(self.largest, moqt));
        parameters.time(0x0A, self.fill_timeout);
        parameters.int(0x10, self.forward.map(u64::from));
        parameters.int(0x20, self.priority.map(|priority| priority.0.into()));
        parameters.bytes(0x21, self.filter);
        parameters.int(0x22, order(self.order));
        parameters.bytes(0x23, self.fill);
        parameters.range_filters(self.range_filters);
        parameters.int(0x32, self.new_group.map(|group| group.0));
        parameters.bytes(
            0x34,
            self.prefix.map(|prefix| {
                let mut value = Vec::new();
                super::parameters::namespace(prefix)
                    .encode_moqt::<moqtap_codec::varint::Moqt18>(&mut value);
                value
            }),
        );
        parameters.int(0x35, self.include_properties.map(u64::from));
        parameters.sorted()
    }
}

macro_rules! own_stream {
    ($name:ident, $blocked:ident, $goaway:expr, $notify:expr, $filter:expr, $fetch:expr, $end:expr, $unknown:expr) => {
        pub mod $name {
            use bytes::Buf;
            use moqtap_codec::$name::message as m;
            use sluice_proto::model::*;
            use sluice_proto::session::Response;
            use sluice_proto::wire::{Context, Message};

            use super::super::Theirs;
            use super::super::parameters::{fill, moqt, namespace, properties, setup};
            use super::{Settings, code, int};

            /// The block inside FILL_PARAMETERS.
            fn block(of: Option<&Fill>) -> Option<Vec<u8>> {
                // The newest draft's filter has no length.
                let filter: fn(LocationFilter) -> Vec<u8> = $filter;
                of.map(|of| fill(of, filter, stringify!($name) != "draft22"))
            }

            pub fn theirs(message: &Message, context: &Context) -> Theirs {
                let picture = picture(message, context);
                let mut bytes = Vec::new();
                picture.encode(&mut bytes).expect("they can write it");
                let reads = Box::new(move |bytes: &[u8]| {
                    let mut bytes = bytes;
                    let read =
                        m::ControlMessage::decode(&mut bytes).map_err(|error| error.to_string())?;
                    match read == picture && !bytes.has_remaining() {
                        true => Ok(()),
                        false => Err(format!("{read:?} is not {picture:?}")),
                    }
                });
                Theirs { bytes, reads }
            }

            fn picture(message: &Message, context: &Context) -> m::ControlMessage {
                use m::ControlMessage as C;
                let filter: fn(LocationFilter) -> Vec<u8> = $filter;
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
                            object_timeout: update.object_timeout,
                            subgroup_timeout: update.subgroup_timeout,
                            tokens: &update.tokens,
                            forward: update.forward,
                            priority: update.priority,
                            filter: update.filter.map(filter),
                            fill: block(update.fill.as_ref()),
                            range_filters: &update.range_filters,
                            new_group: update.new_group,
                            prefix: update.prefix.as_ref(),
                            ..Settings::default()
                        };
                        let parameters = settings.pairs();
                        C::RequestUpdate(m::RequestUpdate { request_id: int(id.0), parameters })
                    }
                    Message::PublishDone { done, .. } => C::PublishDone(m::PublishDone {
                        status_code: int(match done.code {
                            DoneCode::TrackEnded => 2,
                            DoneCode::GoingAway => 4,
                            _ => 0,
                        }),
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
                let filter: fn(LocationFilter) -> Vec<u8> = $filter;
                match request {
                    Request::Subscribe(request) => {
                        let stated =
                            Some(request.filter).filter(|&filter| filter != LocationFilter::All);
                        let settings = Settings {
                            object_timeout: request.object_timeout,
                            tokens: &request.tokens,
                            rendezvous_timeout: request.rendezvous_timeout,
                            subgroup_timeout: request.subgroup_timeout,
                            forward: request.forward,
                            priority: request.priority,
                            filter: stated.map(filter),
                            order: request.order,
                            fill: block(request.fill.as_ref()),
                            range_filters: &request.range_filters,
                            new_group: request.new_group,
                            include_properties: request.include_properties,
                            ..Settings::default()
                        };
                        C::Subscribe(m::Subscribe {
                            request_id,
                            track_namespace: namespace(request.track.namespace()),
                            track_name: request.track.name().as_bytes().to_vec(),
                            parameters: settings.pairs(),
                        })
                    }
                    Request::Publish(request) => {
                        let settings = Settings {
                            object_timeout: request.object_timeout,
                            tokens: &request.tokens,
                            subgroup_timeout: request.subgroup_timeout,
                            expires: request.expires,
                            largest: request.largest,
                            forward: request.forward,
                            priority: request.priority,
                            filter: request.filter.map(filter),
                            order: request.order,
                            ..Settings::default()
                        };
                        C::Publish(m::Publish {
                            request_id,
                            track_namespace: namespace(request.track.namespace()),
                            track_name: request.track.name().as_bytes().to_vec(),
                            track_alias: int(request.alias.0),
                            parameters: settings.pairs(),
                            track_properties: properties(&request.properties.0),
                        })
                    }
                    Request::Fetch(request) => {
                        let settings = Settings {
                            tokens: &request.tokens,
                            fill_timeout: request.fill_timeout,
                            priority: request.priority,
                            order: request.order,
                            range_filters: &request.range_filters,
                            include_properties: request.include_properties,
                            ..Settings::default()
                        };
                        let of: fn(
                            moqtap_codec::varint::VarInt,
                            &FetchRange,
                            Settings<'_>,
                        ) -> m::Fetch = $fetch;
                        C::Fetch(of(request_id, &request.range, settings))
                    }
                    Request::TrackStatus(request) => {
                        let settings = Settings {
                            tokens: &request.tokens,
                            include_properties: request.include_properties,
                            ..Settings::default()
                        };
                        C::TrackStatus(m::TrackStatus {
                            request_id,
                            track_namespace: namespace(request.track.namespace()),
                            track_name: request.track.name().as_bytes().to_vec(),
                            parameters: settings.pairs(),
                        })
                    }
                    Request::PublishNamespace(request) => {
                        let settings = Settings { tokens: &request.tokens, ..Settings::default() };
                        C::PublishNamespace(m::PublishNamespace {
                            request_id,
                            track_namespace: namespace(&request.namespace),
                            parameters: settings.pairs(),
                        })
                    }
                    Request::SubscribeNamespace(request) => {
                        let settings = Settings {
                            tokens: &request.tokens,
                            forward: request.forward,
                            order: request.order,
                            range_filters: &request.range_filters,
                            include_properties: request.include_properties,
                            ..Settings::default()
                        };
                        let namespace_prefix = namespace(&request.prefix);
                        let parameters = settings.pairs();
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
                let filter: fn(LocationFilter) -> Vec<u8> = $filter;
                match response {
                    Response::Subscribe(ok) => {
                        let settings = Settings {
                            expires: ok.expires,
                            largest: ok.largest,
                            ..Settings::default()
                        };
                        C::SubscribeOk(m::SubscribeOk {
                            track_alias: int(ok.alias.0),
                            parameters: settings.pairs(),
                            track_properties: properties(&ok.properties.0),
                        })
                    }
                    Response::Publish(ok) => {
                        let settings = Settings {
                            object_timeout: ok.object_timeout,
                            subgroup_timeout: ok.subgroup_timeout,
                            expires: ok.expires,
                            forward: ok.forward,
                            priority: ok.priority,
                            filter: ok.filter.map(filter),
                            order: ok.order,
                            new_group: ok.new_group,
                            ..Settings::default()
                        };
                        let parameters = settings.pairs();
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
                    Response::Ok(ok) => {
                        let settings = Settings {
                            expires: ok.expires,
                            largest: ok.largest,
                            ..Settings::default()
                        };
                        C::RequestOk(m::RequestOk {
                            parameters: settings.pairs(),
                            track_properties: properties(&ok.properties.0),
                        })
                    }
                    Response::Error(error) => C::RequestError(m::RequestError {
                        error_code: code(error.code),
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
            let (fetch_type, fetch_payload) = match range {
                FetchRange::Joining(id, start) => {
                    let (kind, start) = match start {
                        JoiningStart::Relative(groups) => (m::FetchType::RelativeJoining, *groups),
                        JoiningStart::Absolute(group) => (m::FetchType::AbsoluteJoining, group.0),
                    };
                    let joining_request_id = int(id.0);
                    let joining_start = int(start);
                    (kind, m::FetchPayload::Joining { joining_request_id, joining_start })
                }
                FetchRange::Standalone(track, range) => {
                    let (start, end) = range.resolve(None);
                    let end = end.unwrap_or(RangeEnd { group: GroupId(u64::MAX), object: None });
                    (m::FetchType::Standalone, m::FetchPayload::Standalone {
                        track_namespace: namespace(track.namespace()),
                        track_name: track.name().as_bytes().to_vec(),
                        start_group: int(start.group.0),
                        start_object: int(start.object.0),
                        end_group: int(end.group.0),
                        end_object: int(end.object.map_or(0, |object| object.0 + 1)),
                    })
                }
            };
            m::Fetch { request_id, fetch_type, fetch_payload, parameters: settings.pairs() }
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
                    parameters: settings.pairs(),
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
                parameters: Settings { filter, ..settings }.pairs(),
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
