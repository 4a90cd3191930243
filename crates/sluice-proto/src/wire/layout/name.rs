//! Namespaces and track names (MOQT-18 §2.4.1).

use bytes::{Bytes, BytesMut};

use super::body::{Body, Writer};
use crate::model::name::NAMESPACE_FIELDS_MAX;
use crate::model::{FullTrackName, NameError, TrackName, TrackNamespace};
use crate::wire::{Field, Inexpressible, Violation};

/// Where a namespace stands, which decides whether it may be without fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::wire) enum NamespacePlace {
    /// Of a track or of a publisher.
    Whole,
    /// Of a namespace subscription.
    Prefix,
    /// What follows a prefix: may always be nothing.
    Suffix,
}

/// What a draft allows a namespace to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NameRules {
    /// Whether a whole namespace may have no field.
    pub(crate) empty_namespace: bool,
    /// Whether a prefix may have no field.
    pub(crate) empty_prefix: bool,
    /// Whether a field may have no bytes.
    pub(crate) empty_field: bool,
}

impl NameRules {
    fn may_be_empty(self, place: NamespacePlace) -> bool {
        match place {
            NamespacePlace::Whole => self.empty_namespace,
            NamespacePlace::Prefix => self.empty_prefix,
            NamespacePlace::Suffix => true,
        }
    }
}

impl Body<'_> {
    pub(in crate::wire) fn namespace(
        &mut self,
        place: NamespacePlace,
    ) -> Result<TrackNamespace, Violation> {
        let message = self.message;
        let rules = self.dialect.names;
        let count = self.int(Field::Namespace)?;
        if count > NAMESPACE_FIELDS_MAX as u64 || count == 0 && !rules.may_be_empty(place) {
            return Err(Violation::NamespaceFields { message, fields: count });
        }
        let mut lengths = Vec::with_capacity(count as usize);
        // A name outlives its message, whose buffer may be much larger: it is copied, once.
        let mut bytes = BytesMut::new();
        for _ in 0..count {
            let field = self.prefixed(Field::Namespace)?;
            if field.is_empty() && !rules.empty_field {
                return Err(Violation::EmptyNamespaceField { message });
            }
            lengths.push(field.len());
            bytes.extend_from_slice(&field);
        }
        let fields = lengths.into_iter().map(|length| bytes.split_to(length).freeze());
        TrackNamespace::new(fields).map_err(|error| self.name_error(error))
    }

    pub(in crate::wire) fn track_name(&mut self) -> Result<TrackName, Violation> {
        let name = self.prefixed(Field::TrackName)?;
        TrackName::new(Bytes::copy_from_slice(&name)).map_err(|error| self.name_error(error))
    }

    pub(in crate::wire) fn track(
        &mut self,
        place: NamespacePlace,
    ) -> Result<FullTrackName, Violation> {
        let namespace = self.namespace(place)?;
        let name = self.track_name()?;
        FullTrackName::new(namespace, name).map_err(|error| self.name_error(error))
    }

    fn name_error(&self, error: NameError) -> Violation {
        let message = self.message;
        match error {
            NameError::TooManyFields(fields) => Violation::NamespaceFields { message, fields },
            NameError::TooLong(bytes) => Violation::NameTooLong { message, bytes },
        }
    }
}

impl Writer<'_, '_> {
    pub(in crate::wire) fn namespace(
        &mut self,
        namespace: &TrackNamespace,
        place: NamespacePlace,
    ) -> Result<(), Inexpressible> {
        let rules = self.dialect.names;
        if namespace.is_empty() && !rules.may_be_empty(place) {
            return Err(Inexpressible::EmptyNamespace);
        }
        self.int(namespace.len() as u64)?;
        for field in namespace.fields() {
            if field.is_empty() && !rules.empty_field {
                return Err(Inexpressible::EmptyNamespaceField);
            }
            self.prefixed(field)?;
        }
        Ok(())
    }

    pub(in crate::wire) fn track(
        &mut self,
        track: &FullTrackName,
        place: NamespacePlace,
    ) -> Result<(), Inexpressible> {
        self.namespace(track.namespace(), place)?;
        self.prefixed(track.name().as_bytes())
    }
}
