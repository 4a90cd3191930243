//! Drafts 17 to 19: joining fetches, ranges in the fields of FETCH, ends excluded.

macro_rules! ranges_in_fields {
    ($module:ident, $draft:ident, $offered:expr, $requests:ident) => {
        pub mod $module {
            use moqtap_codec::$module::message::{Fetch, FetchPayload};

            use super::super::request_streams::{request_streams, $requests};

            /// FORWARD of a PUBLISH.
            const OFFERED_FORWARD: u64 = $offered;
            const SUBSCRIPTION_FILTER: u64 = 0x21;
            /// The filter "largest object".
            const NEXT_OBJECT: &[u8] = &[2];
            /// FETCH_OK names the id after the last.
            const FETCH_ENDS_AFTER: u64 = 1;

            request_streams!($module, $draft);
            $requests!();

            fn beginning(_fill: bool) -> Result<Vec<KeyValuePair>> {
                Ok(vec![parameter_bytes(SUBSCRIPTION_FILTER, NEXT_OBJECT)])
            }

            fn acceptance() -> Vec<KeyValuePair> {
                vec![parameter(FORWARD, 1)]
            }

            async fn join(
                connection: &mut Connection,
                subscription: Request,
            ) -> Result<Option<RequestStream>> {
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
                    } => Ok((
                        track_name,
                        Range::up_to((start_group, start_object), end_group, end_object),
                    )),
                    joining => bail!("the relay joins: {joining:?}"),
                }
            }
        }
    };
}

ranges_in_fields!(draft17, Draft17, 0, one_interest);
ranges_in_fields!(draft18, Draft18, 0, separate_interests);
// From draft 19 on the library takes the id that a REQUEST_UPDATE has of its own for that of the
// request, and fails: a PUBLISH does not wait to be wanted.
ranges_in_fields!(draft19, Draft19, 1, separate_interests);
