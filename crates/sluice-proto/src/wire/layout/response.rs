//! REQUEST_OK and REQUEST_ERROR, also under the names of a draft with one of each per request
//! (MOQT-18 §10.5 and §10.6).

use std::time::Duration;

use super::body::{Body, Writer, milliseconds};
use super::name::NamespacePlace;
use super::parameter::{Carrier, Parameters};
use super::track_properties::TrackPropertyForm;
use crate::model::{Redirect, RequestCode, RequestError, RequestKind, RequestOk};
use crate::session::Response;
use crate::transport::Side;
use crate::wire::{About, Context, Field, Inexpressible, MessageKind, Violation};

/// Which messages answer requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ResponseForm {
    /// An OK and an ERROR of its own for each kind of request.
    PerRequest,
    /// REQUEST_OK and REQUEST_ERROR, except for OKs that say more.
    Shared,
    /// The same, and PUBLISH is accepted by REQUEST_OK too. It ends with properties.
    SharedWithPublish,
}

/// What stands in a refusal besides code and reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ErrorLayout {
    /// Nothing.
    Plain,
    /// A retry interval.
    Retry,
    /// A retry interval and, with that code, a redirect.
    RetryRedirect,
}

/// What carries the parameters of a REQUEST_OK; of one that answers something unknown, any.
fn carriers_of_ok(about: Option<About>) -> &'static [Carrier] {
    match about {
        Some(About::Update(_)) => &[Carrier::UpdateOk],
        Some(About::Request(RequestKind::Publish)) => &[Carrier::PublishOk],
        Some(About::Request(RequestKind::TrackStatus)) => &[Carrier::TrackStatusOk],
        Some(About::Request(RequestKind::PublishNamespace)) => &[Carrier::PublishNamespaceOk],
        Some(About::Request(RequestKind::SubscribeNamespace)) => &[Carrier::InterestOk],
        Some(About::Request(RequestKind::Subscribe | RequestKind::Fetch)) => &[],
        None => &[
            Carrier::UpdateOk,
            Carrier::TrackStatusOk,
            Carrier::PublishNamespaceOk,
            Carrier::InterestOk,
        ],
    }
}

impl Body<'_> {
    /// REQUEST_OK, or an OK that says nothing, after a request id.
    pub(in crate::wire) fn request_ok(
        &mut self,
        about: Option<About>,
    ) -> Result<Response, Violation> {
        let shared = self.dialect.responses == ResponseForm::SharedWithPublish;
        if about == Some(About::Request(RequestKind::Publish)) {
            let ok = self.publish_ok()?;
            self.no_properties()?;
            return Ok(Response::Publish(ok));
        }
        let mut given = Parameters::default();
        self.parameters(carriers_of_ok(about), &mut given)?;
        let mut ok =
            RequestOk { expires: given.expires, largest: given.largest, ..RequestOk::default() };
        match about {
            Some(About::Request(RequestKind::TrackStatus)) if shared => {
                ok.properties = self.track_properties(&given)?;
            }
            // Only the answer about a track has any of these settings.
            _ if self.dialect.track_property_form == TrackPropertyForm::Settings => {
                ok.properties = self.track_properties(&given)?;
            }
            _ => self.no_properties()?,
        }
        Ok(Response::Ok(ok))
    }

    /// Refuses properties in a message that ends with them but may have none.
    pub(in crate::wire) fn no_properties(&mut self) -> Result<(), Violation> {
        let tail = self.dialect.responses == ResponseForm::SharedWithPublish;
        match tail && !self.is_empty() {
            true => Err(Violation::UnexpectedProperties { message: self.message }),
            false => Ok(()),
        }
    }

    /// A refusal of a request of this kind, after a request id.
    pub(in crate::wire) fn request_error(
        &mut self,
        kind: RequestKind,
        context: &Context,
    ) -> Result<RequestError, Violation> {
        let code = self.dialect.request_code_of(self.int(Field::ErrorCode)?, kind);
        let retry_after = match self.dialect.errors {
            ErrorLayout::Plain => None,
            ErrorLayout::Retry | ErrorLayout::RetryRedirect => {
                self.int(Field::RetryInterval)?.checked_sub(1).map(Duration::from_millis)
            }
        };
        let reason = self.reason()?;
        let redirect = match self.dialect.errors {
            ErrorLayout::RetryRedirect if code == RequestCode::Redirect => {
                Some(self.redirect(kind, context)?)
            }
            _ => None,
        };
        Ok(RequestError { code, retry_after, reason, redirect })
    }

    fn redirect(&mut self, kind: RequestKind, context: &Context) -> Result<Redirect, Violation> {
        let uri = self.uri(Field::RedirectUri)?;
        if context.from == Side::Client && !uri.is_empty() {
            return Err(Violation::Redirect { field: Field::RedirectUri });
        }
        let track = self.track(NamespacePlace::Suffix)?;
        let about_namespace =
            matches!(kind, RequestKind::PublishNamespace | RequestKind::SubscribeNamespace);
        if about_namespace && !track.name().as_bytes().is_empty() {
            return Err(Violation::Redirect { field: Field::TrackName });
        }
        Ok(Redirect { uri, track })
    }
}

/// The messages that accept or refuse a request of this kind in a draft with one of each.
pub(in crate::wire) fn per_request(kind: RequestKind) -> (MessageKind, MessageKind) {
    match kind {
        RequestKind::Subscribe => (MessageKind::SubscribeOk, MessageKind::SubscribeError),
        RequestKind::Publish => (MessageKind::PublishOk, MessageKind::PublishError),
        RequestKind::Fetch => (MessageKind::FetchOk, MessageKind::FetchError),
        RequestKind::TrackStatus => (MessageKind::TrackStatusOk, MessageKind::TrackStatusError),
        RequestKind::PublishNamespace => {
            (MessageKind::PublishNamespaceOk, MessageKind::PublishNamespaceError)
        }
        RequestKind::SubscribeNamespace => {
            (MessageKind::SubscribeNamespaceOk, MessageKind::SubscribeNamespaceError)
        }
    }
}

impl Writer<'_, '_> {
    /// REQUEST_OK after a request id.
    pub(in crate::wire) fn request_ok(
        &mut self,
        ok: &RequestOk,
        about: Option<About>,
    ) -> Result<(), Inexpressible> {
        let mut given =
            Parameters { expires: ok.expires, largest: ok.largest, ..Parameters::default() };
        self.settings_of(&ok.properties, &mut given);
        self.parameters(carriers_of_ok(about), &given)?;
        let shared = self.dialect.responses == ResponseForm::SharedWithPublish;
        match about {
            Some(About::Request(RequestKind::TrackStatus)) if shared => {
                self.track_properties(&ok.properties)
            }
            _ => Ok(()),
        }
    }

    /// A refusal of a request of this kind, after a request id.
    pub(in crate::wire) fn request_error(
        &mut self,
        error: &RequestError,
        kind: RequestKind,
    ) -> Result<(), Inexpressible> {
        let number = self.dialect.request_code(error.code, kind);
        self.int(number)?;
        if self.dialect.errors != ErrorLayout::Plain {
            // One more than the milliseconds, since 0 says "never".
            let interval = |after| milliseconds(after).saturating_add(1);
            let interval = error.retry_after.map_or(0, interval);
            self.int(interval.min(self.dialect.integers.max()))?;
        }
        self.reason(&error.reason)?;
        if self.dialect.errors == ErrorLayout::RetryRedirect && error.code == RequestCode::Redirect
        {
            let redirect = error.redirect.clone().unwrap_or_default();
            self.uri(&redirect.uri)?;
            self.track(&redirect.track, NamespacePlace::Suffix)?;
        }
        Ok(())
    }
}
