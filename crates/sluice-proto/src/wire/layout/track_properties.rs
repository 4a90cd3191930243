//! The tail of a message that holds a track's properties, and the settings that stand for some of
//! them where a draft has no such tail (MOQT-18 §12).

use super::body::{Body, Writer};
use super::parameter::Parameters;
use crate::model::property::kind;
use crate::model::property::{TrackPropertyError, TrackSettings};
use crate::model::{GroupOrder, Properties, PropertyEncoding, PropertyValue, TrackProperties};
use crate::wire::{Inexpressible, Violation};

/// Where a draft says what is known of a track.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TrackPropertyForm {
    /// In parameters and fields of the messages that answer or offer.
    Settings,
    /// In properties at the end of those messages. A delivery timeout of 0 breaks the rules.
    TailNonzeroTimeout,
    /// In properties at the end of those messages.
    Tail,
}

impl Body<'_> {
    /// The properties that fill the rest, or those that `given` stand for.
    pub(in crate::wire) fn track_properties(
        &mut self,
        given: &Parameters,
    ) -> Result<TrackProperties, Violation> {
        let message = self.message;
        if self.dialect.track_property_form == TrackPropertyForm::Settings {
            return Ok(TrackProperties::from_settings(&TrackSettings {
                object_timeout: given.object_timeout,
                max_cache: given.max_cache_duration,
                // Ascending is the default, so it need not be said.
                order: given.order.filter(|&order| order != GroupOrder::Ascending),
                priority: given.publisher_priority,
                dynamic_groups: given.dynamic_groups,
                ..TrackSettings::default()
            }));
        }
        let properties = Properties::parse(self.dialect.properties, self.rest())
            .map_err(|error| Violation::Properties { message, error })?;
        // What the draft does not know under such a type is something else than what later ones
        // mean by it, so it must not be taken for that.
        let unknown = self.dialect.track_properties_unknown;
        let properties = TrackProperties(properties.retain(|code, _| !unknown.contains(&code)));
        let value_error = |TrackPropertyError { kind, value }| Violation::TrackPropertyValue {
            message,
            code: kind,
            value,
        };
        properties.settings().map_err(value_error)?;
        let kind = kind::OBJECT_DELIVERY_TIMEOUT;
        let zero = PropertyValue::Int(0);
        let is_zero = properties.0.get(kind).as_ref() == Some(&zero)
            || properties.0.entries().any(|(code, value)| code == kind && value == zero);
        if self.dialect.track_property_form == TrackPropertyForm::TailNonzeroTimeout && is_zero {
            return Err(value_error(TrackPropertyError { kind, value: 0 }));
        }
        Ok(properties)
    }
}

impl Writer<'_, '_> {
    /// Puts into `given` what the draft says of a track in settings. Those given already stay.
    pub(in crate::wire) fn settings_of(
        &self,
        properties: &TrackProperties,
        given: &mut Parameters,
    ) {
        if self.dialect.track_property_form != TrackPropertyForm::Settings {
            return;
        }
        // What a track may not say is not passed on.
        let settings = properties.settings().unwrap_or_default();
        given.object_timeout = given.object_timeout.or(settings.object_timeout);
        given.max_cache_duration = given.max_cache_duration.or(settings.max_cache);
        given.order = given.order.or(settings.order);
        given.publisher_priority = settings.priority;
        given.dynamic_groups = settings.dynamic_groups;
    }

    /// The properties as the rest of the message, where the draft has them there.
    pub(in crate::wire) fn track_properties(
        &mut self,
        properties: &TrackProperties,
    ) -> Result<(), Inexpressible> {
        if self.dialect.track_property_form == TrackPropertyForm::Settings {
            return Ok(());
        }
        let nonzero = self.dialect.track_property_form == TrackPropertyForm::TailNonzeroTimeout;
        let unknown = self.dialect.track_properties_unknown;
        let foreign = properties.0.encoding() != self.dialect.properties;
        // Of an earlier origin these types are ordinary; a receiver that must understand them
        // would have to refuse the track.
        let ordinary = foreign && self.dialect.properties == PropertyEncoding::DeltaVi64;
        let properties = properties.0.retain(|code, value| {
            let zero_timeout =
                code == kind::OBJECT_DELIVERY_TIMEOUT && *value == PropertyValue::Int(0);
            !(foreign && unknown.contains(&code)
                || nonzero && zero_timeout
                || ordinary && kind::MANDATORY.contains(&code))
        });
        self.out.extend_from_slice(properties.to_encoding(self.dialect.properties).raw());
        Ok(())
    }
}
