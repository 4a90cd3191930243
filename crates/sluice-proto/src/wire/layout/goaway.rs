//! GOAWAY (MOQT-18 §10.4).

use std::time::Duration;

use super::body::{Body, Writer, nonzero};
use crate::model::{Goaway, RequestId};
use crate::transport::Side;
use crate::wire::{Context, Field, Inexpressible, MessageStream, Violation};

/// What stands in GOAWAY after the uri.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GoawayLayout {
    /// Nothing.
    Uri,
    /// A timeout.
    UriTimeout,
    /// A timeout and, on the control stream, a request id.
    UriTimeoutRequest,
}

fn names_request(layout: GoawayLayout, context: &Context) -> bool {
    layout == GoawayLayout::UriTimeoutRequest && context.stream == MessageStream::Control
}

impl Body<'_> {
    pub(in crate::wire) fn goaway(&mut self, context: &Context) -> Result<Goaway, Violation> {
        let layout = self.dialect.goaway;
        let mut goaway = Goaway { uri: self.uri(Field::Uri)?, ..Goaway::default() };
        if context.from == Side::Client && !goaway.uri.is_empty() {
            return Err(Violation::GoawayUri);
        }
        if layout != GoawayLayout::Uri {
            goaway.timeout = nonzero(self.int(Field::Timeout)?);
        }
        if names_request(layout, context) {
            let id = self.int(Field::RequestId)?;
            if id % 2 != parity(context.from.peer()) {
                return Err(Violation::GoawayRequestId { id });
            }
            goaway.first_unprocessed = Some(RequestId(id));
        }
        Ok(goaway)
    }
}

/// Whether request ids of a side are even or odd.
fn parity(side: Side) -> u64 {
    match side {
        Side::Client => 0,
        Side::Server => 1,
    }
}

impl Writer<'_, '_> {
    pub(in crate::wire) fn goaway(
        &mut self,
        goaway: &Goaway,
        context: &Context,
    ) -> Result<(), Inexpressible> {
        let layout = self.dialect.goaway;
        self.uri(&goaway.uri)?;
        if layout != GoawayLayout::Uri {
            // 0 would say "no timeout".
            let timeout = goaway.timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
            self.int(self.milliseconds(timeout.unwrap_or_default()))?;
        }
        if names_request(layout, context) {
            // The largest id of the receiver says that nothing was left unprocessed so far.
            let none = self.dialect.integers.max() - 1 + parity(context.from.peer());
            self.int(goaway.first_unprocessed.map_or(none, |id| id.0))?;
        }
        Ok(())
    }
}
