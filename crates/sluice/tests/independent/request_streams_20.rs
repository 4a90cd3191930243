//! Drafts 20 to 22: fills instead of joining fetches, ranges in a filter, ends included.

macro_rules! ranges_in_filter {
    ($module:ident, $draft:ident, $fields:expr) => {
        pub mod $module {
            use moqtap_client::$module::fill::{FillParameters, LocationFilter, insert_parameter};
            use moqtap_codec::kvp::KvpValue;
            use moqtap_codec::$module::message::{Fetch, LOCATION_FILTER, decode_location_filter};

            use super::super::request_streams::{request_streams, separate_interests};

            /// A PUBLISH does not wait: the library takes the id that a REQUEST_UPDATE has of its own for that
            /// of the request, and closes the session. It reads draft 18 as we do.
            const OFFERED_FORWARD: u64 = 1;
            /// FETCH_OK names the last id itself.
            const FETCH_ENDS_AFTER: u64 = 0;

            request_streams!($module, $draft);
            separate_interests!();

            fn beginning(fill: bool) -> Result<Vec<KeyValuePair>> {
                let mut parameters = vec![LocationFilter::next_object().parameter()?];
                if fill {
                    let current_group = LocationFilter::relative(1);
                    let fill = FillParameters::inherited().with_range(&current_group)?;
                    insert_parameter(&mut parameters, fill.parameter()?);
                }
                Ok(parameters)
            }

            /// These drafts leave it to the PUBLISH and to SUBSCRIBE_TRACKS.
            fn acceptance() -> Vec<KeyValuePair> {
                Vec::new()
            }

            async fn join(
                _connection: &mut Connection,
                _subscription: Request,
            ) -> Result<Option<RequestStream>> {
                Ok(None)
            }

            async fn fetch(
                connection: &mut Connection,
                fields: TrackNamespace,
                track: Vec<u8>,
                range: Range,
            ) -> Result<RequestStream> {
                let (group, id) = range.from;
                let groups = range.group - group;
                let filter = match range.id {
                    Some(last) => LocationFilter::range_to(group, id, groups, last)?,
                    None => LocationFilter::range(group, id, groups)?,
                };
                Ok(connection.fetch_range(fields, track, &filter, Vec::new()).await?)
            }

            fn asked_range(asked: Fetch) -> Result<(Vec<u8>, Range)> {
                let filter = asked.parameters.iter().find_map(|pair| match &pair.value {
                    KvpValue::Bytes(bytes) if pair.key.into_inner() == LOCATION_FILTER => {
                        Some(bytes)
                    }
                    _ => None,
                });
                let filter = filter.context("the relay's FETCH has no LOCATION_FILTER")?;
                let fields: Vec<u64> = $fields(decode_location_filter(filter)?);
                let range = match fields[..] {
                    [group, id, groups] => {
                        Range { from: (group, id), group: group + groups, id: None }
                    }
                    [group, id, groups, last] => {
                        Range { from: (group, id), group: group + groups, id: Some(last) }
                    }
                    ref other => bail!("the relay's FETCH is for {other:?}"),
                };
                Ok((asked.track_name, range))
            }
        }
    };
}

ranges_in_filter!(draft20, Draft20, |fields| fields);
ranges_in_filter!(draft21, Draft21, |fields| fields);
// Its filter has a type, which says no more of a range than the number of fields does.
ranges_in_filter!(draft22, Draft22, |(_, fields)| fields);
