//! Drafts up to 16: requests and their answers on one control stream, told apart by ids.
//!
//! The library has these drafts in modules of the same shape; the macro writes what is the same in
//! their clients. What differs, `is_refusal` among it, comes from the file that calls it.

macro_rules! control_stream {
    ($module:ident) => {
        impl Client {
            /// Waits for a message, keeping others for later.
            async fn wait<T>(&mut self, pick: impl Fn(&ControlMessage) -> Option<T>) -> Result<T> {
                for index in 0..self.stash.len() {
                    if let Some(picked) = pick(&self.stash[index]) {
                        self.stash.remove(index);
                        return Ok(picked);
                    }
                }
                loop {
                    let message = self.connection.recv_and_dispatch().await?;
                    if let Some(picked) = pick(&message) {
                        return Ok(picked);
                    }
                    ensure!(!is_refusal(&message), "{message:?} came instead");
                    self.stash.push(message);
                }
            }

            pub async fn fetched(&mut self, request: Request) -> Result<Fetched> {
                self.wait(|message| match message {
                    ControlMessage::FetchOk(ok) if ok.request_id.into_inner() == request.0 => {
                        Some(Fetched { end_of_track: ok.end_of_track == 1 })
                    }
                    _ => None,
                })
                .await
            }

            pub async fn done(&mut self, request: Request) -> Result<(u64, u64)> {
                self.wait(|message| match message {
                    ControlMessage::PublishDone(done)
                        if done.request_id.into_inner() == request.0 =>
                    {
                        Some((done.status_code.into_inner(), done.stream_count.into_inner()))
                    }
                    _ => None,
                })
                .await
            }

            pub async fn next_subscribe(&mut self) -> Result<Asked> {
                self.wait(|message| match message {
                    ControlMessage::Subscribe(asked) => Some(Asked {
                        request: Request(asked.request_id.into_inner()),
                        track: asked.track_name.clone(),
                    }),
                    _ => None,
                })
                .await
            }

            pub async fn next_fetch(&mut self) -> Result<(Asked, Range)> {
                use moqtap_codec::$module::message::FetchPayload;
                let asked = self.wait(|message| match message {
                    ControlMessage::Fetch(fetch) => Some(fetch.clone()),
                    _ => None,
                });
                let asked = asked.await?;
                let FetchPayload::Standalone {
                    track_name,
                    start_group,
                    start_object,
                    end_group,
                    end_object,
                    ..
                } = asked.fetch_payload
                else {
                    bail!("the relay joins: {asked:?}");
                };
                let range = Range::up_to((start_group, start_object), end_group, end_object);
                let request = Request(asked.request_id.into_inner());
                Ok((Asked { request, track: track_name }, range))
            }
        }
    };
}

/// What drafts with settings in parameters have in common besides. An update is `$update`, which names
/// its request in `$existing`.
macro_rules! settings_in_parameters {
    ($draft:ident, $update:ident, $existing:ident) => {
        const TRACK_ENDED: u64 = 2;
        /// MAX_REQUEST_ID among the setup parameters.
        const MAX_REQUEST_ID: u64 = 2;
        const LARGEST_OBJECT: u64 = 0x09;
        const FORWARD: u64 = 0x10;
        const SUBSCRIPTION_FILTER: u64 = 0x21;
        /// The filter "largest object".
        const NEXT_OBJECT: &[u8] = &[2];

        /// What cannot be waited past.
        fn is_refusal(message: &ControlMessage) -> bool {
            matches!(message, ControlMessage::RequestError(_) | ControlMessage::GoAway(_))
        }

        impl Client {
            fn config(carrier: Carrier) -> ClientConfig {
                ClientConfig {
                    draft: DraftVersion::$draft,
                    transport: match carrier {
                        Carrier::Quic => TransportType::Quic,
                        Carrier::WebTransport => TransportType::WebTransport { url: String::new() },
                    },
                    skip_cert_verification: true,
                    ca_certs: Vec::new(),
                    setup_parameters: vec![parameter(MAX_REQUEST_ID, 1000)],
                }
            }

            /// Waits for the OK of a request that has none of its own.
            async fn granted(&mut self, id: u64) -> Result<()> {
                self.wait(|message| match message {
                    ControlMessage::RequestOk(ok) if ok.request_id.into_inner() == id => Some(()),
                    _ => None,
                })
                .await
            }

            pub async fn subscribe(
                &mut self,
                prefix: &[&str],
                track: &str,
                _fill: bool,
            ) -> Result<Request> {
                let filter = parameter_bytes(SUBSCRIPTION_FILTER, NEXT_OBJECT);
                let id = self
                    .connection
                    .subscribe(namespace(prefix), track.into(), vec![filter])
                    .await?;
                Ok(Request(id.into_inner()))
            }

            pub async fn join(&mut self, subscription: Request) -> Result<Option<Request>> {
                let joining = self
                    .connection
                    .joining_fetch(number(subscription.0), number(0), Vec::new())
                    .await?;
                Ok(Some(Request(joining.into_inner())))
            }

            pub async fn fetch(
                &mut self,
                prefix: &[&str],
                track: &str,
                range: Range,
            ) -> Result<Request> {
                let id = self
                    .connection
                    .fetch(
                        namespace(prefix),
                        track.into(),
                        number(range.from.0),
                        number(range.from.1),
                        number(range.group),
                        number(range.id.map_or(0, |id| id + 1)),
                        Vec::new(),
                    )
                    .await?;
                Ok(Request(id.into_inner()))
            }

            pub async fn publish_namespace(&mut self, fields: &[&str]) -> Result<()> {
                let id = self.connection.publish_namespace(namespace(fields), Vec::new()).await?;
                self.granted(id.into_inner()).await
            }

            pub async fn wanted(&mut self, request: Request) -> Result<()> {
                let wanted = self.wait(|message| match message {
                    ControlMessage::PublishOk(ok) if ok.request_id.into_inner() == request.0 => {
                        Some(value_of(&ok.parameters, FORWARD).unwrap_or(1) == 1)
                    }
                    _ => None,
                });
                let mut wanted = wanted.await?;
                while !wanted {
                    let update = self.wait(|message| match message {
                        ControlMessage::$update(update)
                            if update.$existing.into_inner() == request.0 =>
                        {
                            Some((update.request_id, value_of(&update.parameters, FORWARD)))
                        }
                        _ => None,
                    });
                    let (update, forward) = update.await?;
                    // The library's own call answers no update.
                    let ok = RequestOk { request_id: update, parameters: Vec::new() };
                    self.connection.send_control(&ControlMessage::RequestOk(ok)).await?;
                    wanted = forward == Some(1);
                }
                Ok(())
            }

            pub async fn finish(&mut self, request: Request, streams: u64) -> Result<()> {
                ensure!(streams > 0, "a track without a stream needs no count");
                let (request, status) = (number(request.0), number(TRACK_ENDED));
                Ok(self
                    .connection
                    .publish_done(request, status, number(streams), Vec::new())
                    .await?)
            }
        }
    };
}

pub(crate) use {control_stream, settings_in_parameters};
