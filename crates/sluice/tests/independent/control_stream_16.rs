//! Draft 16: requests on the control stream, except that a namespace is watched on a stream of
//! its own; settings in parameters; tracks have properties.

use anyhow::{Context, Result, bail, ensure};
use moqtap_client::draft16::connection::{
    ClientConfig, Connection, NamespaceStream, TransportType,
};
use moqtap_client::transport::Transport;
use moqtap_codec::draft16::message::{ControlMessage, RequestOk};
use moqtap_codec::types::TrackNamespace;
use moqtap_codec::version::DraftVersion;

use super::control::{
    Accepted, Answer, Asked, Fetched, Range, Request, from_pairs, joined, namespace, number,
    parameter, parameter_bytes, to_pairs, value_of,
};
use super::control_stream::{control_stream, settings_in_parameters};
use super::dial::Carrier;
use super::object::Properties;

/// Watch namespaces and tracks.
const BOTH: u64 = 2;

/// A session.
pub struct Client {
    connection: Connection,
    stash: Vec<ControlMessage>,
    watched: Option<(TrackNamespace, NamespaceStream)>,
}

control_stream!(draft16);
settings_in_parameters!(Draft16, RequestUpdate, existing_request_id);

impl Client {
    /// Sets up the session.
    pub async fn connect(transport: Transport, carrier: Carrier) -> Result<Client> {
        let connection = Connection::adopt(transport, Self::config(carrier)).await?;
        Ok(Client { connection, stash: Vec::new(), watched: None })
    }

    pub async fn watch(&mut self, prefix: &[&str]) -> Result<()> {
        let prefix = namespace(prefix);
        let asked =
            self.connection.subscribe_namespace(prefix.clone(), number(BOTH), Vec::new()).await?;
        let (_, stream) = self.watched.insert((prefix, asked));
        match self.connection.recv_on_namespace_stream(stream).await? {
            Some(ControlMessage::RequestOk(_)) => Ok(()),
            other => bail!("{other:?} came instead"),
        }
    }

    pub async fn next_namespace(&mut self) -> Result<Vec<Vec<u8>>> {
        let (prefix, stream) = self.watched.as_mut().context("nothing is watched")?;
        match self.connection.recv_on_namespace_stream(stream).await? {
            Some(ControlMessage::Namespace(offered)) => {
                Ok(joined(prefix, &offered.namespace_suffix))
            }
            other => bail!("{other:?} came instead"),
        }
    }

    pub async fn accept_publish(&mut self) -> Result<(Asked, Accepted)> {
        let offered = self.wait(|message| match message {
            ControlMessage::Publish(offered) => Some(offered.clone()),
            _ => None,
        });
        let offered = offered.await?;
        self.connection.publish_ok(offered.request_id, vec![parameter(FORWARD, 1)]).await?;
        let request = Request(offered.request_id.into_inner());
        let (alias, properties) =
            (offered.track_alias.into_inner(), from_pairs(&offered.track_extensions));
        Ok((Asked { request, track: offered.track_name }, Accepted { alias, properties }))
    }

    pub async fn subscribed(&mut self, request: Request) -> Result<Accepted> {
        self.wait(|message| match message {
            ControlMessage::SubscribeOk(ok) if ok.request_id.into_inner() == request.0 => {
                let properties = from_pairs(&ok.track_extensions);
                Some(Accepted { alias: ok.track_alias.into_inner(), properties })
            }
            _ => None,
        })
        .await
    }

    pub async fn accept_subscribe(&mut self, request: Request, answer: &Answer) -> Result<()> {
        let largest = answer.largest_bytes(DraftVersion::Draft16);
        let parameters =
            largest.map(|bytes| parameter_bytes(LARGEST_OBJECT, &bytes)).into_iter().collect();
        let (request, alias) = (number(request.0), number(answer.alias));
        let properties = to_pairs(&answer.properties);
        Ok(self.connection.subscribe_ok(request, alias, properties, parameters).await?)
    }

    pub async fn publish(
        &mut self,
        fields: &[&str],
        track: &str,
        alias: u64,
        properties: &Properties,
    ) -> Result<Request> {
        let (fields, pairs) = (namespace(fields), to_pairs(properties));
        let forward = vec![parameter(FORWARD, 0)];
        let offered =
            self.connection.publish(fields, track.into(), number(alias), pairs, forward).await?;
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
        Ok(self
            .connection
            .fetch_ok(request, ends_track.into(), group, id, Vec::new(), Vec::new())
            .await?)
    }
}
