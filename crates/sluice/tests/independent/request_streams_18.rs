//! Draft 18: joining fetches, ranges in the fields of FETCH, ends excluded.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use moqtap_codec::draft18::message::{Fetch, FetchPayload};
use moqtap_codec::kvp::KeyValuePair;

use super::control::{
    Accepted, Answer, Asked, Fetched, Range, Request, from_pairs, joined, namespace, number,
    parameter, parameter_bytes, to_pairs, value_of,
};
use super::dial::Carrier;
use super::object::Properties;
use super::request_streams::request_streams;

const TRACK_ENDED: u64 = 2;
const LARGEST_OBJECT: u64 = 0x09;
const FORWARD: u64 = 0x10;
/// A PUBLISH waits to be wanted.
const OFFERED_FORWARD: u64 = 0;
const SUBSCRIPTION_FILTER: u64 = 0x21;
/// The filter "largest object".
const NEXT_OBJECT: &[u8] = &[2];
/// FETCH_OK names the id after the last.
const FETCH_ENDS_AFTER: u64 = 1;

request_streams!(draft18, Draft18);

fn beginning(_fill: bool) -> Result<Vec<KeyValuePair>> {
    Ok(vec![parameter_bytes(SUBSCRIPTION_FILTER, NEXT_OBJECT)])
}

fn acceptance() -> Vec<KeyValuePair> {
    vec![parameter(FORWARD, 1)]
}

async fn join(connection: &mut Connection, subscription: Request) -> Result<Option<RequestStream>> {
    let subscription = number(subscription.0);
    Ok(Some(connection.joining_fetch(subscription, number(0), Vec::new()).await?))
}

async fn fetch(
    connection: &mut Connection,
    fields: TrackNamespace,
    track: Vec<u8>,
    range: Range,
) -> Result<RequestStream> {
    let (group, id) = (number(range.from.0), number(range.from.1));
    let (last, after) = (number(range.group), number(range.id.map_or(0, |id| id + 1)));
    Ok(connection.fetch(fields, track, group, id, last, after, Vec::new()).await?)
}

fn asked_range(asked: Fetch) -> Result<(Vec<u8>, Range)> {
    match asked.fetch_payload {
        FetchPayload::Standalone {
            track_name,
            start_group,
            start_object,
            end_group,
            end_object,
            ..
        } => Ok((track_name, Range::up_to((start_group, start_object), end_group, end_object))),
        joining => bail!("the relay joins: {joining:?}"),
    }
}
