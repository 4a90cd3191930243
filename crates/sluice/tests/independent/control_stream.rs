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

pub(crate) use control_stream;
