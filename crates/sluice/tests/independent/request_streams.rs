//! Drafts from 17 on: a bidirectional stream for each request, its answers without an id.
//!
//! The library has these drafts in modules of the same shape; the macro writes the client for one
//! of them. What differs comes from the file that calls it.

macro_rules! request_streams {
    ($module:ident, $draft:ident) => {
        use std::collections::HashMap;

        use anyhow::{Context, Result, bail};
        use moqtap_client::transport::Transport;
        use moqtap_client::$module::connection::{
            ClientConfig, Connection, RequestStream, TransportType,
        };
        use moqtap_codec::kvp::KeyValuePair;
        use moqtap_codec::types::TrackNamespace;
        use moqtap_codec::$module::message::{ControlMessage, FetchOk, RequestOk, SubscribeOk};

        use crate::control::{
            Accepted, Answer, Asked, Fetched, Range, Request, from_pairs, joined, namespace,
            number, parameter, parameter_bytes, to_pairs, value_of,
        };
        use crate::dial::Carrier;
        use crate::object::Properties;

        const TRACK_ENDED: u64 = 2;
        const LARGEST_OBJECT: u64 = 0x09;
        const FORWARD: u64 = 0x10;

        /// A session.
        pub struct Client {
            connection: Connection,
            streams: HashMap<Request, RequestStream>,
            asked: Vec<(ControlMessage, Request)>,
            watched: Option<(TrackNamespace, Request)>,
        }

        impl Client {
            /// Sets up the session.
            pub async fn connect(transport: Transport, carrier: Carrier) -> Result<Client> {
                let config = ClientConfig {
                    draft: moqtap_codec::version::DraftVersion::$draft,
                    transport: match carrier {
                        Carrier::Quic => TransportType::Quic,
                        Carrier::WebTransport => TransportType::WebTransport { url: String::new() },
                    },
                    skip_cert_verification: true,
                    ca_certs: Vec::new(),
                    setup_parameters: Vec::new(),
                };
                let connection = Connection::adopt(transport, config).await?;
                let (streams, asked) = (HashMap::new(), Vec::new());
                Ok(Client { connection, streams, asked, watched: None })
            }

            fn keep(&mut self, stream: RequestStream) -> Request {
                let request = Request(stream.request_id().into_inner());
                self.streams.insert(request, stream);
                request
            }

            /// The next message on a request's stream.
            async fn next_on(&mut self, request: Request) -> Result<ControlMessage> {
                let stream = self.streams.get_mut(&request).context("no such request")?;
                let message = self.connection.recv_on_request_stream(stream).await?;
                match message {
                    ControlMessage::RequestError(_) => bail!("{message:?} came instead"),
                    message => Ok(message),
                }
            }

            /// Waits for a request of the relay's, keeping others for later.
            async fn next_asked<T>(
                &mut self,
                pick: impl Fn(&ControlMessage) -> Option<T>,
            ) -> Result<(Request, T)> {
                for index in 0..self.asked.len() {
                    if let Some(picked) = pick(&self.asked[index].0) {
                        return Ok((self.asked.remove(index).1, picked));
                    }
                }
                loop {
                    let (message, stream) = self.connection.accept_request_stream().await?;
                    let request = self.keep(stream);
                    match pick(&message) {
                        Some(picked) => return Ok((request, picked)),
                        None => self.asked.push((message, request)),
                    }
                }
            }

            async fn accepted(&mut self, request: Request) -> Result<RequestOk> {
                match self.next_on(request).await? {
                    ControlMessage::RequestOk(ok) => Ok(ok),
                    other => bail!("{other:?} came instead"),
                }
            }

            pub async fn watch(&mut self, prefix: &[&str]) -> Result<()> {
                let prefix = namespace(prefix);
                let asked = watch_namespaces(&mut self.connection, prefix.clone()).await?;
                let namespaces = self.keep(asked);
                self.accepted(namespaces).await?;
                self.watched = Some((prefix.clone(), namespaces));
                if let Some(asked) = watch_tracks(&mut self.connection, prefix).await? {
                    let tracks = self.keep(asked);
                    self.accepted(tracks).await?;
                }
                Ok(())
            }

            pub async fn next_namespace(&mut self) -> Result<Vec<Vec<u8>>> {
                let (prefix, request) = self.watched.clone().context("nothing is watched")?;
                match self.next_on(request).await? {
                    ControlMessage::Namespace(offered) => {
                        Ok(joined(&prefix, &offered.namespace_suffix))
                    }
                    other => bail!("{other:?} came instead"),
                }
            }

            pub async fn accept_publish(&mut self) -> Result<(Asked, Accepted)> {
                let offered = self.next_asked(|message| match message {
                    ControlMessage::Publish(offered) => Some(offered.clone()),
                    _ => None,
                });
                let (request, offered) = offered.await?;
                let stream = self.streams.get_mut(&request).context("no such request")?;
                accept_offer(&mut self.connection, stream).await?;
                let properties = from_pairs(&offered.track_properties);
                let accepted = Accepted { alias: offered.track_alias.into_inner(), properties };
                Ok((Asked { request, track: offered.track_name }, accepted))
            }

            pub async fn subscribe(
                &mut self,
                fields: &[&str],
                track: &str,
                fill: bool,
            ) -> Result<Request> {
                let (fields, parameters) = (namespace(fields), beginning(fill)?);
                let stream = self.connection.subscribe(fields, track.into(), parameters).await?;
                Ok(self.keep(stream))
            }

            pub async fn subscribed(&mut self, request: Request) -> Result<Accepted> {
                match self.next_on(request).await? {
                    ControlMessage::SubscribeOk(ok) => Ok(Accepted {
                        alias: ok.track_alias.into_inner(),
                        properties: from_pairs(&ok.track_properties),
                    }),
                    other => bail!("{other:?} came instead"),
                }
            }

            pub async fn join(&mut self, subscription: Request) -> Result<Option<Request>> {
                let joining = join(&mut self.connection, subscription).await?;
                Ok(joining.map(|stream| self.keep(stream)))
            }

            pub async fn fetch(
                &mut self,
                fields: &[&str],
                track: &str,
                range: Range,
            ) -> Result<Request> {
                let (fields, track) = (namespace(fields), track.as_bytes().to_vec());
                let stream = fetch(&mut self.connection, fields, track, range).await?;
                Ok(self.keep(stream))
            }

            pub async fn fetched(&mut self, request: Request) -> Result<Fetched> {
                match self.next_on(request).await? {
                    ControlMessage::FetchOk(ok) => {
                        Ok(Fetched { end_of_track: ok.end_of_track == 1 })
                    }
                    other => bail!("{other:?} came instead"),
                }
            }

            pub async fn done(&mut self, request: Request) -> Result<(u64, u64)> {
                loop {
                    match self.next_on(request).await? {
                        ControlMessage::PublishDone(done) => {
                            let status = done.status_code.into_inner();
                            return Ok((status, done.stream_count.into_inner()));
                        }
                        ControlMessage::RequestUpdate(_) | ControlMessage::RequestOk(_) => {}
                        other => bail!("{other:?} came instead"),
                    }
                }
            }

            pub async fn publish_namespace(&mut self, fields: &[&str]) -> Result<()> {
                let fields = namespace(fields);
                let stream = self.connection.publish_namespace(fields, Vec::new()).await?;
                let request = self.keep(stream);
                self.accepted(request).await?;
                Ok(())
            }

            pub async fn next_subscribe(&mut self) -> Result<Asked> {
                let asked = self.next_asked(|message| match message {
                    ControlMessage::Subscribe(asked) => Some(asked.track_name.clone()),
                    _ => None,
                });
                let (request, track) = asked.await?;
                Ok(Asked { request, track })
            }

            pub async fn accept_subscribe(
                &mut self,
                request: Request,
                answer: &Answer,
            ) -> Result<()> {
                let largest = answer.largest_bytes(moqtap_codec::version::DraftVersion::$draft);
                let ok = SubscribeOk {
                    track_alias: number(answer.alias),
                    parameters: largest
                        .map(|bytes| parameter_bytes(LARGEST_OBJECT, &bytes))
                        .into_iter()
                        .collect(),
                    track_properties: to_pairs(&answer.properties),
                };
                let stream = self.streams.get_mut(&request).context("no such request")?;
                Ok(self.connection.respond_subscribe_ok(stream, ok).await?)
            }

            pub async fn publish(
                &mut self,
                fields: &[&str],
                track: &str,
                alias: u64,
                properties: &Properties,
            ) -> Result<Request> {
                let (fields, pairs) = (namespace(fields), to_pairs(properties));
                let forward = vec![parameter(FORWARD, OFFERED_FORWARD)];
                let alias = number(alias);
                let stream =
                    self.connection.publish(fields, track.into(), alias, forward, pairs).await?;
                Ok(self.keep(stream))
            }

            pub async fn wanted(&mut self, request: Request) -> Result<()> {
                let parameters = offer_accepted(self.next_on(request).await?)?;
                let said = value_of(&parameters, FORWARD).unwrap_or(OFFERED_FORWARD);
                // What was offered to be sent at once does not wait for an update.
                let mut wanted = said == 1 || OFFERED_FORWARD == 1;
                while !wanted {
                    match self.next_on(request).await? {
                        ControlMessage::RequestUpdate(update) => {
                            wanted = value_of(&update.parameters, FORWARD) == Some(1);
                            let stream = self.streams.get_mut(&request).context("no request")?;
                            self.connection.respond_ok(stream, request_ok(Vec::new())).await?;
                        }
                        other => bail!("{other:?} came instead"),
                    }
                }
                Ok(())
            }

            pub async fn next_fetch(&mut self) -> Result<(Asked, Range)> {
                let asked = self.next_asked(|message| match message {
                    ControlMessage::Fetch(asked) => Some(asked.clone()),
                    _ => None,
                });
                let (request, asked) = asked.await?;
                let (track, range) = asked_range(asked)?;
                Ok((Asked { request, track }, range))
            }

            pub async fn accept_fetch(
                &mut self,
                request: Request,
                end: (u64, u64),
                ends_track: bool,
            ) -> Result<()> {
                let ok = FetchOk {
                    end_of_track: ends_track.into(),
                    end_group: number(end.0),
                    end_object: number(end.1 + FETCH_ENDS_AFTER),
                    parameters: Vec::new(),
                    track_properties: Vec::new(),
                };
                let stream = self.streams.get_mut(&request).context("no such request")?;
                Ok(self.connection.respond_fetch_ok(stream, ok).await?)
            }

            pub async fn finish(&mut self, request: Request, streams: u64) -> Result<()> {
                let (status, streams) = (number(TRACK_ENDED), number(streams));
                let stream = self.streams.get_mut(&request).context("no such request")?;
                let origin = stream.origin();
                use moqtap_client::$module::connection::RequestOrigin;
                match origin {
                    RequestOrigin::Local => {
                        self.connection.publish_done(stream, status, streams, Vec::new()).await?;
                    }
                    RequestOrigin::Peer => {
                        self.connection
                            .publish_done_on(stream, status, streams, Vec::new())
                            .await?;
                    }
                }
                Ok(())
            }
        }
    };
}

/// What drafts from 18 on have in common besides: two requests for two interests, and one OK for
/// nearly everything.
macro_rules! separate_interests {
    () => {
        fn request_ok(parameters: Vec<KeyValuePair>) -> RequestOk {
            RequestOk { parameters, track_properties: Vec::new() }
        }

        async fn watch_namespaces(
            connection: &mut Connection,
            prefix: TrackNamespace,
        ) -> Result<RequestStream> {
            Ok(connection.subscribe_namespace(prefix, Vec::new()).await?)
        }

        async fn watch_tracks(
            connection: &mut Connection,
            prefix: TrackNamespace,
        ) -> Result<Option<RequestStream>> {
            let forward = vec![parameter(FORWARD, 1)];
            Ok(Some(connection.subscribe_tracks(prefix, forward).await?))
        }

        async fn accept_offer(
            connection: &mut Connection,
            stream: &mut RequestStream,
        ) -> Result<()> {
            Ok(connection.respond_ok(stream, request_ok(acceptance())).await?)
        }

        fn offer_accepted(answer: ControlMessage) -> Result<Vec<KeyValuePair>> {
            match answer {
                ControlMessage::RequestOk(ok) => Ok(ok.parameters),
                other => bail!("{other:?} came instead"),
            }
        }
    };
}

/// The same in draft 17: one request for both interests, and an OK of its own for PUBLISH.
macro_rules! one_interest {
    () => {
        use moqtap_codec::draft17::message::PublishOk;

        /// Watch namespaces and tracks.
        const BOTH: u64 = 2;

        fn request_ok(parameters: Vec<KeyValuePair>) -> RequestOk {
            RequestOk { parameters }
        }

        async fn watch_namespaces(
            connection: &mut Connection,
            prefix: TrackNamespace,
        ) -> Result<RequestStream> {
            Ok(connection.subscribe_namespace(prefix, number(BOTH), Vec::new()).await?)
        }

        async fn watch_tracks(
            _connection: &mut Connection,
            _prefix: TrackNamespace,
        ) -> Result<Option<RequestStream>> {
            Ok(None)
        }

        async fn accept_offer(
            connection: &mut Connection,
            stream: &mut RequestStream,
        ) -> Result<()> {
            let ok = PublishOk { parameters: acceptance() };
            Ok(connection.respond_publish_ok(stream, ok).await?)
        }

        fn offer_accepted(answer: ControlMessage) -> Result<Vec<KeyValuePair>> {
            match answer {
                ControlMessage::PublishOk(ok) => Ok(ok.parameters),
                other => bail!("{other:?} came instead"),
            }
        }
    };
}

pub(crate) use {one_interest, request_streams, separate_interests};
