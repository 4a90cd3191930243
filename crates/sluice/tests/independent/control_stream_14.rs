//! Draft 14: every request on the control stream, settings in fields.

use anyhow::{Result, bail, ensure};
use moqtap_client::draft14::connection::{ClientConfig, Connection, TransportType};
use moqtap_client::transport::Transport;
use moqtap_codec::draft14::message::{ControlMessage, PublishDone};
use moqtap_codec::types::{ContentExists, FilterType, Forward, GroupOrder, Location};
use moqtap_codec::version::DraftVersion;

use super::control::{
    Accepted, Answer, Asked, Fetched, Range, Request, namespace, number, parameter,
};
use super::control_stream::control_stream;
use super::dial::Carrier;
use super::object::Properties;

const PRIORITY: u8 = 128;
const TRACK_ENDED: u64 = 2;
/// MAX_REQUEST_ID among the setup parameters.
const MAX_REQUEST_ID: u64 = 2;

/// A session.
pub struct Client {
    connection: Connection,
    stash: Vec<ControlMessage>,
}

control_stream!(draft14);

/// What cannot be waited past.
fn is_refusal(message: &ControlMessage) -> bool {
    matches!(
        message,
        ControlMessage::SubscribeError(_)
            | ControlMessage::FetchError(_)
            | ControlMessage::PublishError(_)
            | ControlMessage::PublishNamespaceError(_)
            | ControlMessage::SubscribeNamespaceError(_)
            | ControlMessage::GoAway(_)
    )
}

impl Client {
    /// Sets up the session.
    pub async fn connect(transport: Transport, carrier: Carrier) -> Result<Client> {
        let config = ClientConfig {
            draft: DraftVersion::Draft14,
            additional_versions: Vec::new(),
            transport: match carrier {
                Carrier::Quic => TransportType::Quic,
                Carrier::WebTransport => TransportType::WebTransport { url: String::new() },
            },
            skip_cert_verification: true,
            ca_certs: Vec::new(),
            setup_parameters: vec![parameter(MAX_REQUEST_ID, 1000)],
        };
        Ok(Client { connection: Connection::adopt(transport, config).await?, stash: Vec::new() })
    }

    pub async fn watch(&mut self, prefix: &[&str]) -> Result<()> {
        let id = self.connection.subscribe_namespace(namespace(prefix), Vec::new()).await?;
        self.wait(|message| match message {
            ControlMessage::SubscribeNamespaceOk(ok) if ok.request_id == id => Some(()),
            _ => None,
        })
        .await
    }

    pub async fn next_namespace(&mut self) -> Result<Vec<Vec<u8>>> {
        let offered = self.wait(|message| match message {
            ControlMessage::PublishNamespace(offered) => Some(offered.clone()),
            _ => None,
        });
        let offered = offered.await?;
        self.connection.publish_namespace_ok(offered.request_id).await?;
        Ok(offered.track_namespace.0)
    }

    pub async fn accept_publish(&mut self) -> Result<(Asked, Accepted)> {
        let offered = self.wait(|message| match message {
            ControlMessage::Publish(offered) => Some(offered.clone()),
            _ => None,
        });
        let offered = offered.await?;
        let (order, filter) = (GroupOrder::Ascending, FilterType::LargestObject);
        self.connection
            .publish_ok(offered.request_id, Forward::Forward, PRIORITY, order, filter, None, None)
            .await?;
        let request = Request(offered.request_id.into_inner());
        let alias = offered.track_alias.into_inner();
        Ok((
            Asked { request, track: offered.track_name },
            Accepted { alias, properties: Vec::new() },
        ))
    }

    pub async fn subscribe(
        &mut self,
        prefix: &[&str],
        track: &str,
        _fill: bool,
    ) -> Result<Request> {
        let id = self
            .connection
            .subscribe(
                namespace(prefix),
                track.into(),
                PRIORITY,
                GroupOrder::Ascending,
                FilterType::LargestObject,
                Vec::new(),
            )
            .await?;
        Ok(Request(id.into_inner()))
    }

    pub async fn subscribed(&mut self, request: Request) -> Result<Accepted> {
        self.wait(|message| match message {
            ControlMessage::SubscribeOk(ok) if ok.request_id.into_inner() == request.0 => {
                let alias = ok.track_alias.into_inner();
                Some(Accepted { alias, properties: Vec::new() })
            }
            _ => None,
        })
        .await
    }

    pub async fn join(&mut self, subscription: Request) -> Result<Option<Request>> {
        let (order, subscription) = (GroupOrder::Ascending, number(subscription.0));
        let joining =
            self.connection.joining_fetch(PRIORITY, order, subscription, number(0), Vec::new());
        Ok(Some(Request(joining.await?.into_inner())))
    }

    pub async fn fetch(&mut self, prefix: &[&str], track: &str, range: Range) -> Result<Request> {
        let id = self
            .connection
            .fetch(
                namespace(prefix),
                track.into(),
                PRIORITY,
                GroupOrder::Ascending,
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
        self.wait(|message| match message {
            ControlMessage::PublishNamespaceOk(ok) if ok.request_id == id => Some(()),
            _ => None,
        })
        .await
    }

    pub async fn accept_subscribe(&mut self, request: Request, answer: &Answer) -> Result<()> {
        let (id, alias) = (number(request.0), number(answer.alias));
        let order = GroupOrder::Ascending;
        let endpoint = self.connection.endpoint_mut();
        let mut ok = endpoint.send_subscribe_ok(id, alias, number(0), order, Vec::new())?;
        // The library's own call leaves no way to say what is largest.
        if let (ControlMessage::SubscribeOk(ok), Some((group, id))) = (&mut ok, answer.largest) {
            ok.content_exists = ContentExists::HasLargestLocation;
            ok.largest_location = Some(Location { group: number(group), object: number(id) });
        }
        Ok(self.connection.send_control(&ok).await?)
    }

    pub async fn publish(
        &mut self,
        fields: &[&str],
        track: &str,
        alias: u64,
        _properties: &Properties,
    ) -> Result<Request> {
        let offered = self.connection.publish(
            namespace(fields),
            track.into(),
            number(alias),
            GroupOrder::Ascending,
            None,
            Forward::DontForward,
            Vec::new(),
        );
        Ok(Request(offered.await?.into_inner()))
    }

    pub async fn wanted(&mut self, request: Request) -> Result<()> {
        let wanted = self.wait(|message| match message {
            ControlMessage::PublishOk(ok) if ok.request_id.into_inner() == request.0 => {
                Some(ok.forward == Forward::Forward)
            }
            _ => None,
        });
        let mut wanted = wanted.await?;
        while !wanted {
            let update = self.wait(|message| match message {
                ControlMessage::SubscribeUpdate(update)
                    if update.subscription_request_id.into_inner() == request.0 =>
                {
                    Some(update.forward == Forward::Forward)
                }
                _ => None,
            });
            wanted = update.await?;
        }
        Ok(())
    }

    pub async fn accept_fetch(
        &mut self,
        request: Request,
        end: (u64, u64),
        ends_track: bool,
    ) -> Result<()> {
        let end = Location { group: number(end.0), object: number(end.1 + 1) };
        let order = GroupOrder::Ascending;
        let answered =
            self.connection.fetch_ok(number(request.0), order, ends_track.into(), end, Vec::new());
        Ok(answered.await?)
    }

    pub async fn finish(&mut self, request: Request, streams: u64) -> Result<()> {
        ensure!(streams > 0, "a track without a stream needs no count");
        // The library's own call leaves no way to say how many streams there were.
        let done = ControlMessage::PublishDone(PublishDone {
            request_id: number(request.0),
            status_code: number(TRACK_ENDED),
            stream_count: number(streams),
            reason_phrase: Vec::new(),
        });
        Ok(self.connection.send_control(&done).await?)
    }
}
