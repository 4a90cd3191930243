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
use super::control_stream::{control_stream, settings_in_parameters};
use super::dial::Carrier;
use super::object::Properties;

/// A session.
pub struct Client {
    connection: Connection,
    stash: Vec<ControlMessage>,
}

control_stream!(draft15);
settings_in_parameters!(Draft15, SubscribeUpdate, subscription_request_id);

impl Client {
    /// Sets up the session.
    pub async fn connect(transport: Transport, carrier: Carrier) -> Result<Client> {
        let connection = Connection::adopt(transport, Self::config(carrier)).await?;
        Ok(Client { connection, stash: Vec::new() })
    }

    pub async fn watch(&mut self, prefix: &[&str]) -> Result<()> {
        let id = self.connection.subscribe_namespace(namespace(prefix), Vec::new()).await?;
        self.granted(id.into_inner()).await
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
}
