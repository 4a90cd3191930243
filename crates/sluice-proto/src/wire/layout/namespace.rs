//! Requests about namespaces, what answers them on their stream, and their ends
//! (MOQT-18 §10.15 to §10.20).

use super::body::{Body, Writer};
use super::name::NamespacePlace;
use super::parameter::{Carrier, Parameters};
use crate::model::{
    Interest, PublishNamespace, RequestCode, RequestId, RequestKind, SubscribeNamespace,
};
use crate::wire::{
    Field, Inexpressible, InterestForm, Message, MessageKind, NamespaceRef, Violation,
};

/// How a message names the namespace request that it ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NamespaceRefForm {
    /// By its namespace or prefix.
    Name,
    /// By its request id.
    Request,
}

impl Body<'_> {
    pub(in crate::wire) fn publish_namespace(&mut self) -> Result<PublishNamespace, Violation> {
        let namespace = self.namespace(NamespacePlace::Whole)?;
        let given = self.settings(Carrier::PublishNamespace)?;
        Ok(PublishNamespace { namespace, tokens: given.tokens })
    }

    /// SUBSCRIBE_NAMESPACE or SUBSCRIBE_TRACKS.
    pub(in crate::wire) fn subscribe_namespace(&mut self) -> Result<SubscribeNamespace, Violation> {
        let prefix = self.namespace(NamespacePlace::Prefix)?;
        let (interest, carrier) = match self.dialect.interests {
            InterestForm::Combined => (Interest::Both, Carrier::SubscribeNamespace),
            InterestForm::Options => {
                let interest = match self.int(Field::SubscribeOptions)? {
                    0 => Interest::Tracks,
                    1 => Interest::Namespaces,
                    2 => Interest::Both,
                    other => return Err(self.invalid(Field::SubscribeOptions, other)),
                };
                (interest, Carrier::SubscribeNamespace)
            }
            InterestForm::Separate if self.message == MessageKind::SubscribeTracks => {
                (Interest::Tracks, Carrier::SubscribeTracks)
            }
            InterestForm::Separate => (Interest::Namespaces, Carrier::SubscribeNamespace),
        };
        let given = self.settings(carrier)?;
        Ok(SubscribeNamespace {
            prefix,
            interest,
            forward: given.forward,
            order: given.order,
            filter: given.filter,
            priority: given.priority,
            object_timeout: given.object_timeout,
            subgroup_timeout: given.subgroup_timeout,
            fill: given.fill,
            range_filters: given.range_filters,
            include_properties: given.include_properties,
            tokens: given.tokens,
        })
    }

    pub(in crate::wire) fn publish_blocked(&mut self) -> Result<Message, Violation> {
        let track = self.track(NamespacePlace::Suffix)?;
        let (suffix, name) = (track.namespace().clone(), track.name().clone());
        Ok(Message::PublishBlocked { suffix, name })
    }

    pub(in crate::wire) fn publish_namespace_cancel(&mut self) -> Result<Message, Violation> {
        let which = self.namespace_ref(self.dialect.publish_namespace_ref)?;
        let number = self.int(Field::ErrorCode)?;
        let code = self.dialect.request_code_of(number, RequestKind::PublishNamespace);
        Ok(Message::PublishNamespaceCancel { which, code, reason: self.reason()? })
    }

    pub(in crate::wire) fn namespace_ref(
        &mut self,
        form: NamespaceRefForm,
    ) -> Result<NamespaceRef, Violation> {
        Ok(match form {
            NamespaceRefForm::Request => {
                NamespaceRef::Request(RequestId(self.int(Field::RequestId)?))
            }
            NamespaceRefForm::Name if self.message == MessageKind::UnsubscribeNamespace => {
                NamespaceRef::Name(self.namespace(NamespacePlace::Prefix)?)
            }
            NamespaceRefForm::Name => NamespaceRef::Name(self.namespace(NamespacePlace::Whole)?),
        })
    }
}

impl Writer<'_, '_> {
    pub(in crate::wire) fn publish_namespace(
        &mut self,
        request: &PublishNamespace,
    ) -> Result<(), Inexpressible> {
        self.namespace(&request.namespace, NamespacePlace::Whole)?;
        let given = Parameters { tokens: request.tokens.clone(), ..Parameters::default() };
        self.settings(Carrier::PublishNamespace, &given)
    }

    /// SUBSCRIBE_NAMESPACE or SUBSCRIBE_TRACKS.
    pub(in crate::wire) fn subscribe_namespace(
        &mut self,
        request: &SubscribeNamespace,
    ) -> Result<(), Inexpressible> {
        self.namespace(&request.prefix, NamespacePlace::Prefix)?;
        let separate = self.dialect.interests == InterestForm::Separate;
        let carrier = match request.interest {
            Interest::Tracks if separate => Carrier::SubscribeTracks,
            Interest::Tracks | Interest::Namespaces | Interest::Both => Carrier::SubscribeNamespace,
        };
        if self.dialect.interests == InterestForm::Options {
            self.int(match request.interest {
                Interest::Tracks => 0,
                Interest::Namespaces => 1,
                Interest::Both => 2,
            })?;
        }
        let given = Parameters {
            forward: request.forward,
            order: request.order,
            filter: request.filter,
            priority: request.priority,
            object_timeout: request.object_timeout,
            subgroup_timeout: request.subgroup_timeout,
            fill: request.fill.clone(),
            range_filters: request.range_filters.clone(),
            include_properties: request.include_properties,
            tokens: request.tokens.clone(),
            ..Parameters::default()
        };
        self.settings(carrier, &given)
    }

    pub(in crate::wire) fn publish_namespace_cancel(
        &mut self,
        which: &NamespaceRef,
        code: RequestCode,
        reason: &str,
    ) -> Result<(), Inexpressible> {
        self.namespace_ref(which, self.dialect.publish_namespace_ref, NamespacePlace::Whole)?;
        self.int(self.dialect.request_code(code, RequestKind::PublishNamespace))?;
        self.reason(reason)
    }

    pub(in crate::wire) fn namespace_ref(
        &mut self,
        which: &NamespaceRef,
        form: NamespaceRefForm,
        place: NamespacePlace,
    ) -> Result<(), Inexpressible> {
        match (which, form) {
            (NamespaceRef::Name(namespace), NamespaceRefForm::Name) => {
                self.namespace(namespace, place)
            }
            (NamespaceRef::Request(id), NamespaceRefForm::Request) => self.int(id.0),
            _ => Err(Inexpressible::NamespaceRef),
        }
    }
}
