//! Canonical messages that a draft can express without loss.

mod values;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sluice_proto::model::*;
use sluice_proto::session::Response;
use sluice_proto::transport::Side;
use sluice_proto::wire::JoiningFetch;
use sluice_proto::wire::{
    About, Context, Draft, InterestForm, Message, MessageStream, NamespaceRef, RequestTransport,
    SetupExchange,
};

use crate::support::{answer, later, new_request};
use values::{
    How, below_max, bytes, field, fields, fill, filter, given, location, namespace, number, order,
    prefix, priority, properties, range, range_filters, request_id, since, start, text, time,
    timeout, tokens, track, with_order,
};

type Messages = BoxedStrategy<(Message, Context)>;

fn setups(draft: Draft) -> Messages {
    let limits = (number(draft), number(draft), number(draft), number(draft));
    let newest = draft >= Draft::D19;
    let requests = draft.dialect().requests == RequestTransport::ControlStream;
    let values = (
        option::of(text()),
        option::of(text()),
        option::of(text()),
        vec((number(draft), bytes(0..9)), 0..3),
        limits,
    );
    (values, any::<bool>(), vec(number(draft), 1..4))
        .prop_map(move |((path, authority, implementation, tokens, limits), client, versions)| {
            let token = |(kind, value)| Token::UseValue { kind, value };
            let options = SetupOptions {
                path: path.filter(|_| client),
                authority: authority.filter(|_| client),
                request_id_limit: Some(limits.0).filter(|_| requests),
                token_cache_bytes: Some(limits.1),
                filter_ranges: Some(limits.2).filter(|_| newest),
                request_updates: Some(limits.3).filter(|_| newest),
                implementation,
                tokens: tokens.into_iter().map(token).collect(),
            };
            let from = if client { Side::Client } else { Side::Server };
            let in_band = draft.dialect().setup == SetupExchange::VersionsInBand;
            let message = match draft.dialect().setup {
                SetupExchange::Both => Message::Setup(options),
                _ if client => Message::ClientSetup {
                    versions: versions.into_iter().filter(|_| in_band).collect(),
                    options,
                },
                _ => {
                    Message::ServerSetup { version: Some(versions[0]).filter(|_| in_band), options }
                }
            };
            (message, Context::control(from))
        })
        .boxed()
}

fn goaways(draft: Draft) -> Messages {
    let has_timeout = draft >= Draft::D17;
    let of_request = draft.dialect().goaway_request;
    (option::of(time()), text(), any::<bool>(), number(draft), any::<bool>())
        .prop_map(move |(timeout, uri, server, id, control)| {
            let (from, uri) = match server {
                true => (Side::Server, uri),
                false => (Side::Client, String::new()),
            };
            // The receiver's ids: even for a client.
            let id = id & !1 | u64::from(from == Side::Client);
            let control = control || !of_request;
            let about = About::Update(RequestKind::Subscribe);
            let context = match control {
                true => Context::control(from),
                false => later(draft, from, 6, about),
            };
            let names_request = draft == Draft::D18 && control;
            let goaway = Goaway {
                uri,
                timeout: timeout.filter(|_| has_timeout),
                first_unprocessed: Some(RequestId(id)).filter(|_| names_request),
            };
            (Message::Goaway(goaway), context)
        })
        .boxed()
}

fn subscribes(draft: Draft) -> BoxedStrategy<Request> {
    let settings = (
        given(field(draft), any::<bool>().boxed()),
        given(field(draft), priority()),
        option::of(order()),
        option::of(timeout(draft)),
        given(since(draft, Draft::D18), timeout(draft)),
        given(since(draft, Draft::D17), timeout(draft)),
        given(since(draft, Draft::D15), number(draft).prop_map(GroupId).boxed()),
        given(since(draft, Draft::D20), any::<bool>().boxed()),
    );
    (track(draft), filter(draft), settings, fill(draft), range_filters(draft, false), tokens(draft))
        .prop_map(|(track, filter, settings, fill, range_filters, tokens)| {
            let (forward, priority, order, object_timeout, subgroup, rendezvous, group, include) =
                settings;
            Request::Subscribe(Subscribe {
                track,
                filter,
                forward,
                priority,
                order,
                object_timeout,
                subgroup_timeout: subgroup,
                rendezvous_timeout: rendezvous,
                new_group: group,
                fill,
                range_filters,
                include_properties: include,
                tokens,
            })
        })
        .boxed()
}

fn publishes(draft: Draft) -> BoxedStrategy<Request> {
    let newest = since(draft, Draft::D20);
    let order_given = match draft {
        Draft::D14 => How::Always,
        Draft::D15 => How::Sometimes,
        _ => newest,
    };
    let settings = (
        option::of(location(draft)),
        given(field(draft), any::<bool>().boxed()),
        given(order_given, order()),
        given(newest, filter(draft)),
        given(newest, priority()),
        given(since(draft, Draft::D15), time()),
        given(newest, timeout(draft)),
        given(newest, timeout(draft)),
    );
    (track(draft), number(draft), settings, properties(draft, true), tokens(draft))
        .prop_map(move |(track, alias, settings, properties, tokens)| {
            let (largest, forward, order, filter, priority, expires, object, subgroup) = settings;
            Request::Publish(Publish {
                track,
                alias: TrackAlias(alias),
                largest,
                forward,
                order,
                filter,
                priority,
                expires,
                object_timeout: object,
                subgroup_timeout: subgroup,
                properties: with_order(properties, order, draft),
                tokens,
            })
        })
        .boxed()
}

fn fetches(draft: Draft) -> BoxedStrategy<Request> {
    let standalone = match draft >= Draft::D20 {
        true => filter(draft),
        false => prop_oneof![start(draft), range(draft, true)].boxed(),
    };
    let standalone =
        (track(draft), standalone).prop_map(|(track, range)| FetchRange::Standalone(track, range));
    let joining =
        (request_id(draft), number(draft), any::<bool>()).prop_map(|(id, n, relative)| {
            let start = if relative {
                JoiningStart::Relative(n)
            } else {
                JoiningStart::Absolute(GroupId(n))
            };
            FetchRange::Joining(id, start)
        });
    let ranges = match draft.dialect().joining_fetch {
        JoiningFetch::None => standalone.boxed(),
        _ => prop_oneof![standalone, joining].boxed(),
    };
    let settings = (
        given(field(draft), priority()),
        option::of(order()),
        given(since(draft, Draft::D18), timeout(draft)),
        given(since(draft, Draft::D20), any::<bool>().boxed()),
    );
    (ranges, settings, range_filters(draft, false), tokens(draft))
        .prop_map(|(range, (priority, order, fill_timeout, include), range_filters, tokens)| {
            Request::Fetch(Fetch {
                range,
                priority,
                order,
                fill_timeout,
                range_filters,
                include_properties: include,
                tokens,
            })
        })
        .boxed()
}

fn interests(draft: Draft) -> BoxedStrategy<Request> {
    let interest = match draft.dialect().interests {
        InterestForm::Combined => Just(Interest::Both).boxed(),
        InterestForm::Options => {
            prop_oneof![Just(Interest::Tracks), Just(Interest::Namespaces), Just(Interest::Both)]
                .boxed()
        }
        InterestForm::Separate => {
            prop_oneof![Just(Interest::Tracks), Just(Interest::Namespaces)].boxed()
        }
    };
    let settings = (
        given(since(draft, Draft::D15), any::<bool>().boxed()),
        given(since(draft, Draft::D19), order()),
        given(since(draft, Draft::D20), any::<bool>().boxed()),
        range_filters(draft, true),
    );
    (prefix(draft), interest, settings, tokens(draft))
        .prop_map(move |(prefix, interest, settings, tokens)| {
            let separate = draft.dialect().interests == InterestForm::Separate;
            let plain = separate && interest == Interest::Namespaces;
            let (forward, order, include_properties, range_filters) = match settings {
                _ if plain => (None, None, None, vec![]),
                settings => settings,
            };
            Request::SubscribeNamespace(SubscribeNamespace {
                forward,
                order,
                include_properties,
                range_filters,
                tokens,
                ..SubscribeNamespace::new(prefix, interest)
            })
        })
        .boxed()
}

fn requests(draft: Draft) -> Messages {
    let status =
        (track(draft), given(since(draft, Draft::D20), any::<bool>().boxed()), tokens(draft))
            .prop_map(|(track, include_properties, tokens)| {
                Request::TrackStatus(TrackStatus { track, include_properties, tokens })
            });
    let announce = (namespace(draft), tokens(draft)).prop_map(|(namespace, tokens)| {
        Request::PublishNamespace(PublishNamespace { namespace, tokens })
    });
    let request = prop_oneof![
        subscribes(draft),
        publishes(draft),
        fetches(draft),
        status,
        announce,
        interests(draft),
    ];
    (request_id(draft), request)
        .prop_map(move |(id, request)| {
            let own_stream = draft.dialect().namespaces_on_own_stream
                && request.kind() == RequestKind::SubscribeNamespace;
            let context = match own_stream {
                true => Context::new_request(Side::Client),
                false => new_request(draft),
            };
            (Message::Request { id, request }, context)
        })
        .boxed()
}

fn updates(draft: Draft) -> Messages {
    let of_interest = if draft >= Draft::D18 { any::<bool>().boxed() } else { Just(false).boxed() };
    let settings = (
        given(
            field(draft),
            match draft {
                // Absolute there, since the update repeats the start.
                Draft::D14 => prop_oneof![start(draft), range(draft, false)].boxed(),
                _ => filter(draft),
            },
        ),
        given(field(draft), any::<bool>().boxed()),
        given(field(draft), priority()),
        option::of(timeout(draft)),
        given(since(draft, Draft::D18), timeout(draft)),
        given(since(draft, Draft::D15), number(draft).prop_map(GroupId).boxed()),
    );
    let interest = (prefix(draft), range_filters(draft, true), range_filters(draft, false));
    let ids = (request_id(draft), request_id(draft));
    (ids, of_interest, settings, fill(draft), interest, tokens(draft))
        .prop_map(move |((id, existing), of_interest, settings, fill, interest, tokens)| {
            let (filter, forward, priority, object, subgroup, new_group) = settings;
            let kind = match of_interest {
                true => RequestKind::SubscribeNamespace,
                false => RequestKind::Subscribe,
            };
            let update = RequestUpdate {
                filter,
                forward,
                priority,
                object_timeout: object,
                subgroup_timeout: subgroup,
                new_group,
                fill: fill.filter(|_| !of_interest),
                range_filters: if of_interest { interest.1 } else { interest.2 },
                prefix: Some(interest.0).filter(|_| of_interest),
                tokens,
            };
            let context = later(draft, Side::Client, existing.0, About::Update(kind));
            (Message::Update { id, existing, update }, context)
        })
        .boxed()
}

fn accepted(
    draft: Draft,
    id: RequestId,
    kind: RequestKind,
    response: Response,
) -> (Message, Context) {
    (Message::Response { id, response }, answer(draft, id.0, kind))
}

fn oks(draft: Draft) -> Messages {
    let largest = || option::of(location(draft));
    let order_given = if draft == Draft::D14 { How::Always } else { How::Never };
    let order_answered = if draft == Draft::D15 { How::Sometimes } else { order_given };
    let subscribe = (
        number(draft),
        option::of(time()),
        largest(),
        given(order_answered, order()),
        properties(draft, true),
        request_id(draft),
    )
        .prop_map(move |(alias, expires, largest, order, properties, id)| {
            let properties = with_order(properties, order, draft);
            let alias = TrackAlias(alias);
            let ok = SubscribeOk { alias, expires, largest, order, properties };
            accepted(draft, id, RequestKind::Subscribe, Response::Subscribe(ok))
        });
    let end = (number(draft), below_max(draft), any::<bool>()).prop_map(move |(g, o, whole)| {
        let whole = whole && draft < Draft::D20;
        // From there on it is a whole group in the draft that cannot say so otherwise.
        let o = if draft >= Draft::D20 { o.min((1 << 62) - 2) } else { o };
        RangeEnd { group: GroupId(g), object: Some(ObjectId(o)).filter(|_| !whole) }
    });
    let fetch = (
        any::<bool>(),
        end,
        given(order_given, order()),
        properties(draft, false),
        request_id(draft),
    )
        .prop_map(move |(end_of_track, end, order, properties, id)| {
            let ok = FetchOk { end_of_track, end, order, properties };
            accepted(draft, id, RequestKind::Fetch, Response::Fetch(ok))
        });
    prop_oneof![subscribe, fetch, publish_oks(draft), request_oks(draft)].boxed()
}

fn publish_oks(draft: Draft) -> Messages {
    let settings = |how: How| if draft >= Draft::D20 { How::Never } else { how };
    let order_given = if draft >= Draft::D19 { How::Never } else { field(draft) };
    let values = (
        given(settings(field(draft)), filter(draft)),
        given(settings(field(draft)), any::<bool>().boxed()),
        given(settings(field(draft)), priority()),
        given(order_given, order()),
        given(settings(How::Sometimes), timeout(draft)),
        given(settings(since(draft, Draft::D18)), timeout(draft)),
        given(since(draft, Draft::D15), time()),
        given(settings(since(draft, Draft::D15)), number(draft).prop_map(GroupId).boxed()),
    );
    (values, request_id(draft))
        .prop_map(move |(values, id)| {
            let (filter, forward, priority, order, object, subgroup, expires, new_group) = values;
            let ok = PublishOk {
                filter,
                forward,
                priority,
                order,
                object_timeout: object,
                subgroup_timeout: subgroup,
                expires,
                new_group,
                range_filters: vec![],
            };
            accepted(draft, id, RequestKind::Publish, Response::Publish(ok))
        })
        .boxed()
}

fn request_oks(draft: Draft) -> Messages {
    let status = (option::of(time()), option::of(location(draft)), properties(draft, true))
        .prop_map(move |(expires, largest, properties)| {
            // Draft 14 has both as fields, drafts 16 and 17 no properties here.
            let has_expiry = matches!(draft, Draft::D14 | Draft::D15 | Draft::D17);
            let expires = expires.filter(|_| has_expiry);
            let properties = match draft {
                Draft::D16 | Draft::D17 => TrackProperties::default(),
                _ => properties,
            };
            (RequestKind::TrackStatus, RequestOk { expires, largest, properties })
        });
    let namespaces = (any::<bool>(), option::of(time())).prop_map(move |(publish, expires)| {
        let expires = expires.filter(|_| draft == Draft::D17 || draft >= Draft::D19);
        let kind =
            if publish { RequestKind::PublishNamespace } else { RequestKind::SubscribeNamespace };
        (kind, RequestOk { expires, ..RequestOk::default() })
    });
    let answers = (prop_oneof![status, namespaces], request_id(draft))
        .prop_map(move |((kind, ok), id)| accepted(draft, id, kind, Response::Ok(ok)));
    if !draft.dialect().updates_answered {
        return answers.boxed();
    }
    let updates = (option::of(time()), option::of(location(draft)), request_id(draft)).prop_map(
        move |(expires, largest, id)| {
            let expires = expires.filter(|_| draft >= Draft::D17);
            let ok = RequestOk { expires, largest, ..RequestOk::default() };
            let response = Response::Ok(ok);
            let about = About::Update(RequestKind::Subscribe);
            let context = later(draft, Side::Server, id.0, about);
            (Message::Response { id, response }, context)
        },
    );
    prop_oneof![answers, updates].boxed()
}

fn refusals(draft: Draft) -> Messages {
    use RequestKind::*;
    let kinds = [Subscribe, Publish, Fetch, TrackStatus, PublishNamespace, SubscribeNamespace];
    // The numbers of all codes are compared elsewhere; these exist for every kind of request.
    let mut codes =
        vec![RequestCode::Internal, RequestCode::Unauthorized, RequestCode::NotSupported];
    if draft.dialect().redirect {
        codes.push(RequestCode::Redirect);
    }
    let redirect = (text(), fields(draft, 0..4), bytes(0..9));
    let values = (
        request_id(draft),
        proptest::sample::select(kinds.to_vec()),
        proptest::sample::select(codes),
        option::of(timeout(Draft::D18)),
        text(),
        redirect,
    );
    values
        .prop_map(move |(id, kind, code, retry_after, reason, (uri, namespace, name))| {
            let about_namespace = matches!(kind, PublishNamespace | SubscribeNamespace);
            let name = if about_namespace { Bytes::new() } else { name };
            let name = TrackName::new(name).unwrap();
            let track = FullTrackName::new(namespace, name).unwrap();
            let redirect = (code == RequestCode::Redirect)
                .then_some(sluice_proto::model::Redirect { uri, track });
            let retry_after = retry_after.filter(|_| draft >= Draft::D16);
            let error = RequestError { code, retry_after, reason, redirect };
            accepted(draft, id, kind, Response::Error(error))
        })
        .boxed()
}

fn notices(draft: Draft) -> Messages {
    let of_subscription = move |id: RequestId| {
        later(draft, Side::Server, id.0, About::Update(RequestKind::Subscribe))
    };
    let streams =
        prop_oneof![(0..1_u64 << 60).prop_map(StreamCount::Known), Just(StreamCount::Unknown)];
    let codes = vec![DoneCode::Internal, DoneCode::TrackEnded, DoneCode::GoingAway];
    let done = (request_id(draft), proptest::sample::select(codes), streams, text()).prop_map(
        move |(id, code, streams, reason)| {
            let done = PublishDone { code, streams, reason };
            (Message::PublishDone { id, done }, of_subscription(id))
        },
    );
    if draft < Draft::D20 {
        return done.boxed();
    }
    let notify = (
        request_id(draft),
        option::of(location(draft)),
        option::of(any::<bool>()),
        option::of(filter(draft)),
    )
        .prop_map(move |(id, largest, forward, filter)| {
            let notify = StateNotify { largest, forward, filter };
            (Message::StateNotify { id, notify }, of_subscription(id))
        });
    prop_oneof![done, notify].boxed()
}

fn namespace_messages(draft: Draft) -> Messages {
    let context = Context {
        about: None,
        from: Side::Server,
        stream: match draft {
            Draft::D14 | Draft::D15 => MessageStream::Control,
            _ => MessageStream::Request(RequestId(4)),
        },
    };
    if draft <= Draft::D15 {
        return (fields(draft, 1..4), text())
            .prop_flat_map(move |(name, reason)| {
                let which = NamespaceRef::Name(name);
                let ended = match draft {
                    Draft::D14 => which.clone(),
                    _ => NamespaceRef::Request(RequestId(4)),
                };
                let code = RequestCode::Unauthorized;
                proptest::sample::select(vec![
                    Message::PublishNamespaceDone(which.clone()),
                    Message::UnsubscribeNamespace(ended),
                    Message::PublishNamespaceCancel { which, code, reason },
                ])
            })
            .prop_map(move |message| (message, context))
            .boxed();
    }
    let blocked = draft.dialect().publish_blocked;
    (fields(draft, 0..4), bytes(0..9))
        .prop_flat_map(move |(suffix, name)| {
            let name = TrackName::new(name).unwrap();
            let mut messages = vec![
                Message::Namespace { suffix: suffix.clone() },
                Message::NamespaceDone { suffix: suffix.clone() },
            ];
            if blocked {
                messages.push(Message::PublishBlocked { suffix, name });
            }
            proptest::sample::select(messages)
        })
        .prop_map(move |message| (message, context))
        .boxed()
}

/// Messages about ids alone, of drafts with one stream for all.
fn id_messages(draft: Draft) -> Messages {
    (number(draft), text())
        .prop_flat_map(move |(number, reason)| {
            let id = RequestId(number);
            let mut messages = vec![
                Message::RequestIdLimit(number),
                Message::RequestsBlocked(number),
                Message::Unsubscribe(id),
                Message::FetchCancel(id),
            ];
            if draft == Draft::D16 {
                let which = NamespaceRef::Request(id);
                let code = RequestCode::NotSupported;
                messages.push(Message::PublishNamespaceDone(which.clone()));
                messages.push(Message::PublishNamespaceCancel { which, code, reason });
            }
            proptest::sample::select(messages)
        })
        .prop_map(move |message| (message, Context::control(Side::Client)))
        .boxed()
}

/// Every message of a draft.
pub fn messages(draft: Draft) -> Messages {
    let all = prop_oneof![
        1 => setups(draft),
        1 => goaways(draft),
        6 => requests(draft),
        2 => updates(draft),
        4 => oks(draft),
        2 => refusals(draft),
        1 => notices(draft),
        1 => namespace_messages(draft),
    ];
    match draft.dialect().requests {
        RequestTransport::ControlStream => prop_oneof![15 => all, 1 => id_messages(draft)].boxed(),
        RequestTransport::OwnStream => all.boxed(),
    }
}
