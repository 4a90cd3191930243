//! Draft 15: every request on the control stream; settings in parameters.

use anyhow::{Result, bail, ensure};
use moqtap_client::draft15::connection::{ClientConfig, Connection, TransportType};
use moqtap_client::transport::Transport;
use moqtap_codec::draft15::message::{ControlMessage, RequestOk};
use moqtap_codec::version::DraftVersion;

use super::control::{
    Accepted, Answer, Asked, Fetched, Range, Request, namespace, number, parameter,
    parameter_bytes, value_of,
};
use super::control_stream::control_stream;
use super::dial::Carrier;
use super::object::Properties;

const TRACK_ENDED: u64 = 2;
/// MAX_REQUEST_ID among the setup parameters.
const MAX_REQUEST_ID: u64 = 2;
const LARGEST_OBJECT: u64 = 0x09;
const FORWARD: u64 = 0x10;
const SUBSCRIPTION_FILTER: u64 = 0x21;
/// The filter "largest object".
const NEXT_OBJECT: &[u8] = &[2];

/// A session.
pub struct Client {
    connection: Connection,
    stash: Vec<ControlMessage>,
}

control_stream!(draft15);

/// What cannot be waited past.
fn is_refusal(message: &ControlMessage) -> bool {
    matches!(message, ControlMessage::RequestError(_) | ControlMessage::GoAway(_))
}

impl Client {
    /// Sets up the session.
    pub async fn connect(transport: Transport, carrier: Carrier) -> Result<Client> {
        let config = ClientConfig {
            draft: DraftVersion::Draft15,
            transport: match carrier {
                Carrier::Quic => TransportType::Quic,
                Carrier::WebTransport => TransportType::WebTransport { url: String::new() },
            },
            skip_cert_verification: true,
            ca_certs: Vec::new(),
            setup_parameters: vec![parameter(MAX_REQUEST_ID, 1000)],
        };
        let connection = Connection::adopt(transport, config).await?;
        Ok(Client { connection, stash: Vec::new() })
    }

    pub async fn watch(&mut self, prefix: &[&str]) -> Result<()> {
        let id = self.connection.subscribe_namespace(namespace(prefix), Vec::new()).await?;
        self.granted(id.into_inner()).await
    }

    /// Waits for the OK of a request that has none of its own.
    async fn granted(&mut self, id: u64) -> Result<()> {
        self.wait(|message| match message {
            ControlMessage::RequestOk(ok) if ok.request_id.into_inner() == id => Some(()),
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
        self.connection.request_ok(offered.request_id, Vec::new()).await?;
        Ok(offered.track_namespace.0)
    }

    pub async fn accept_publish(&mut self) -> Result<(Asked, Accepted)> {
        let offered = self.wait(|message| match message {
            ControlMessage::Publish(offered) => Some(offered.clone()),
            _ => None,
        });
        let offered = offered.await?;
        self.connection.publish_ok(offered.request_id, vec![parameter(FORWARD, 1)]).await?;
        let request = Request(offered.request_id.into_inner());
        let accepted = Accepted { alias: offered.track_alias.into_inner(), properties: Vec::new() };
        Ok((Asked { request, track: offered.track_name }, accepted))
    }

    pub async fn subscribe(
        &mut self,
        prefix: &[&str],
        track: &str,
        _fill: bool,
    ) -> Result<Request> {
        let filter = parameter_bytes(SUBSCRIPTION_FILTER, NEXT_OBJECT);
        let id = self.connection.subscribe(namespace(prefix), track.into(), vec![filter]).await?;
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
        let joining =
            self.connection.joining_fetch(number(subscription.0), number(0), Vec::new()).await?;
        Ok(Some(Request(joining.into_inner())))
    }

    pub async fn fetch(&mut self, prefix: &[&str], track: &str, range: Range) -> Result<Request> {
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

    pub async fn accept_subscribe(&mut self, request: Request, answer: &Answer) -> Result<()> {
        let largest = answer.largest_bytes(DraftVersion::Draft15);
        let parameters =
            largest.map(|bytes| parameter_bytes(LARGEST_OBJECT, &bytes)).into_iter().collect();
        let (request, alias) = (number(request.0), number(answer.alias));
        Ok(self.connection.subscribe_ok(request, alias, parameters).await?)
    }

    pub async fn publish(
        &mut self,
        fields: &[&str],
        track: &str,
        alias: u64,
        _properties: &Properties,
    ) -> Result<Request> {
        let fields = namespace(fields);
        let forward = vec![parameter(FORWARD, 0)];
        let offered = self.connection.publish(fields, track.into(), number(alias), forward).await?;
        Ok(Request(offered.into_inner()))
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
                ControlMessage::SubscribeUpdate(update)
                    if update.subscription_request_id.into_inner() == request.0 =>
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

    pub async fn accept_fetch(
        &mut self,
        request: Request,
        end: (u64, u64),
        ends_track: bool,
    ) -> Result<()> {
        let (group, id) = (number(end.0), number(end.1 + 1));
        let request = number(request.0);
        Ok(self.connection.fetch_ok(request, ends_track.into(), group, id, Vec::new()).await?)
    }

    pub async fn finish(&mut self, request: Request, streams: u64) -> Result<()> {
        ensure!(streams > 0, "a track without a stream needs no count");
        let (request, status) = (number(request.0), number(TRACK_ENDED));
        Ok(self.connection.publish_done(request, status, number(streams), Vec::new()).await?)
    }
}
