//! PUBLISH, PUBLISH_OK, PUBLISH_DONE and PUBLISH_STATE_NOTIFY (MOQT-18 §10.10 and §10.11).

use super::body::{Body, Writer};
use super::name::NamespacePlace;
use super::parameter::{Carrier, Parameters};
use super::track_properties::TrackPropertyForm;
use crate::model::{Publish, PublishDone, PublishOk, StateNotify, StreamCount, TrackAlias};
use crate::wire::{Field, Inexpressible, Violation};

/// Stream counts that mean "unknown", in whichever draft. Those between the two that the drafts
/// name are more streams than a connection can have, so they say no more.
const UNKNOWN_STREAM_COUNTS: std::ops::RangeInclusive<u64> = (1 << 62) - 1..=u64::MAX;

impl Body<'_> {
    pub(in crate::wire) fn publish(&mut self) -> Result<Publish, Violation> {
        let track = self.track(NamespacePlace::Whole)?;
        let alias = TrackAlias(self.int(Field::TrackAlias)?);
        let mut given = self.settings(Carrier::Publish)?;
        let properties = self.track_properties(&given)?;
        if self.dialect.track_property_form == TrackPropertyForm::Settings {
            // There the publisher's timeout, which is a property now.
            given.object_timeout = None;
        }
        Ok(Publish {
            track,
            alias,
            largest: given.largest,
            forward: given.forward,
            order: given.order,
            filter: given.filter,
            priority: given.priority,
            expires: given.expires,
            object_timeout: given.object_timeout,
            subgroup_timeout: given.subgroup_timeout,
            properties,
            tokens: given.tokens,
        })
    }

    /// Everything that a PUBLISH_OK can say, in a message of this name.
    pub(in crate::wire) fn publish_ok(&mut self) -> Result<PublishOk, Violation> {
        let given = self.settings(Carrier::PublishOk)?;
        Ok(PublishOk {
            filter: given.filter,
            forward: given.forward,
            priority: given.priority,
            order: given.order,
            object_timeout: given.object_timeout,
            subgroup_timeout: given.subgroup_timeout,
            expires: given.expires,
            new_group: given.new_group,
            range_filters: given.range_filters,
        })
    }

    /// The body of PUBLISH_DONE after a request id.
    pub(in crate::wire) fn publish_done(&mut self) -> Result<PublishDone, Violation> {
        let code = self.dialect.done_code_of(self.int(Field::StatusCode)?);
        let streams = match self.int(Field::StreamCount)? {
            count if UNKNOWN_STREAM_COUNTS.contains(&count) => StreamCount::Unknown,
            count => StreamCount::Known(count),
        };
        Ok(PublishDone { code, streams, reason: self.reason()? })
    }

    pub(in crate::wire) fn state_notify(&mut self) -> Result<StateNotify, Violation> {
        let given = self.settings(Carrier::StateNotify)?;
        Ok(StateNotify { largest: given.largest, forward: given.forward, filter: given.filter })
    }
}

impl Writer<'_, '_> {
    pub(in crate::wire) fn publish(&mut self, publish: &Publish) -> Result<(), Inexpressible> {
        self.track(&publish.track, NamespacePlace::Whole)?;
        self.int(publish.alias.0)?;
        let mut given = Parameters {
            largest: publish.largest,
            forward: publish.forward,
            order: publish.order,
            filter: publish.filter,
            priority: publish.priority,
            expires: publish.expires,
            object_timeout: publish.object_timeout,
            subgroup_timeout: publish.subgroup_timeout,
            tokens: publish.tokens.clone(),
            ..Parameters::default()
        };
        if self.dialect.track_property_form == TrackPropertyForm::Settings {
            given.object_timeout = None;
        }
        self.settings_of(&publish.properties, &mut given);
        self.settings(Carrier::Publish, &given)?;
        self.track_properties(&publish.properties)
    }

    pub(in crate::wire) fn publish_ok(&mut self, ok: &PublishOk) -> Result<(), Inexpressible> {
        let given = Parameters {
            filter: ok.filter,
            forward: ok.forward,
            priority: ok.priority,
            order: ok.order,
            object_timeout: ok.object_timeout,
            subgroup_timeout: ok.subgroup_timeout,
            expires: ok.expires,
            new_group: ok.new_group,
            range_filters: ok.range_filters.clone(),
            ..Parameters::default()
        };
        self.settings(Carrier::PublishOk, &given)
    }

    /// The body of PUBLISH_DONE after a request id.
    pub(in crate::wire) fn publish_done(
        &mut self,
        done: &PublishDone,
    ) -> Result<(), Inexpressible> {
        let code = self.dialect.done_code(done.code).ok_or(Inexpressible::FilterEnd)?;
        self.int(code)?;
        self.int(match done.streams {
            StreamCount::Known(count) if !UNKNOWN_STREAM_COUNTS.contains(&count) => count,
            StreamCount::Known(_) | StreamCount::Unknown => self.dialect.stream_count_unknown,
        })?;
        self.reason(&done.reason)
    }

    pub(in crate::wire) fn state_notify(
        &mut self,
        notify: &StateNotify,
    ) -> Result<(), Inexpressible> {
        let given = Parameters {
            largest: notify.largest,
            forward: notify.forward,
            filter: notify.filter,
            ..Parameters::default()
        };
        self.settings(Carrier::StateNotify, &given)
    }
}
