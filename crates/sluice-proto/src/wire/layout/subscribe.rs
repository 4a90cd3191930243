//! SUBSCRIBE, TRACK_STATUS, SUBSCRIBE_OK and the update (MOQT-18 §10.7 to §10.9).

use super::body::{Body, Writer};
use super::name::NamespacePlace;
use super::parameter::{Carrier, Parameters};
use crate::model::{
    LocationFilter, RequestKind, RequestOk, RequestUpdate, Subscribe, SubscribeOk, TrackAlias,
    TrackStatus,
};
use crate::wire::{About, Field, Inexpressible, Violation};

impl Body<'_> {
    pub(in crate::wire) fn subscribe(&mut self) -> Result<Subscribe, Violation> {
        let track = self.track(NamespacePlace::Whole)?;
        let given = self.settings(Carrier::Subscribe)?;
        Ok(Subscribe {
            track,
            filter: given.filter.unwrap_or_default(),
            forward: given.forward,
            priority: given.priority,
            order: given.order,
            object_timeout: given.object_timeout,
            subgroup_timeout: given.subgroup_timeout,
            rendezvous_timeout: given.rendezvous_timeout,
            new_group: given.new_group,
            fill: given.fill,
            range_filters: given.range_filters,
            include_properties: given.include_properties,
            tokens: given.tokens,
        })
    }

    pub(in crate::wire) fn track_status(&mut self) -> Result<TrackStatus, Violation> {
        let track = self.track(NamespacePlace::Whole)?;
        let given = self.settings(Carrier::TrackStatus)?;
        Ok(TrackStatus {
            track,
            include_properties: given.include_properties,
            tokens: given.tokens,
        })
    }

    /// The body of SUBSCRIBE_OK after a request id.
    pub(in crate::wire) fn subscribe_ok(&mut self) -> Result<SubscribeOk, Violation> {
        let alias = TrackAlias(self.int(Field::TrackAlias)?);
        let given = self.settings(Carrier::SubscribeOk)?;
        let properties = self.track_properties(&given)?;
        let (expires, largest, order) = (given.expires, given.largest, given.order);
        Ok(SubscribeOk { alias, expires, largest, order, properties })
    }

    /// A TRACK_STATUS_OK with the body of SUBSCRIBE_OK.
    pub(in crate::wire) fn track_status_ok(&mut self) -> Result<RequestOk, Violation> {
        self.int(Field::TrackAlias)?;
        let given = self.settings(Carrier::TrackStatusOk)?;
        let properties = self.track_properties(&given)?;
        Ok(RequestOk { expires: given.expires, largest: given.largest, properties })
    }

    /// The settings of an update of a request of which `about` is known.
    pub(in crate::wire) fn update(
        &mut self,
        about: Option<About>,
    ) -> Result<RequestUpdate, Violation> {
        let mut given = Parameters::default();
        self.fixed(Carrier::Update, &mut given)?;
        self.parameters(carriers_of_update(about), &mut given)?;
        Ok(RequestUpdate {
            filter: given.filter,
            forward: given.forward,
            priority: given.priority,
            object_timeout: given.object_timeout,
            subgroup_timeout: given.subgroup_timeout,
            new_group: given.new_group,
            fill: given.fill,
            range_filters: given.range_filters,
            prefix: given.prefix,
            tokens: given.tokens,
        })
    }

    /// Fields, then parameters.
    pub(in crate::wire) fn settings(&mut self, carrier: Carrier) -> Result<Parameters, Violation> {
        let mut given = Parameters::default();
        self.fixed(carrier, &mut given)?;
        self.parameters(&[carrier], &mut given)?;
        Ok(given)
    }
}

/// What an update may carry; of a request of unknown kind, what any may.
fn carriers_of_update(about: Option<About>) -> &'static [Carrier] {
    match about.map(About::kind) {
        None => &[Carrier::Update, Carrier::UpdateSubscription, Carrier::UpdateInterest],
        Some(RequestKind::Subscribe | RequestKind::Publish) => {
            &[Carrier::Update, Carrier::UpdateSubscription]
        }
        Some(RequestKind::SubscribeNamespace) => &[Carrier::Update, Carrier::UpdateInterest],
        Some(RequestKind::Fetch | RequestKind::TrackStatus | RequestKind::PublishNamespace) => {
            &[Carrier::Update]
        }
    }
}

impl Writer<'_, '_> {
    pub(in crate::wire) fn subscribe(
        &mut self,
        subscribe: &Subscribe,
    ) -> Result<(), Inexpressible> {
        self.track(&subscribe.track, NamespacePlace::Whole)?;
        let filter = Some(subscribe.filter).filter(|&filter| filter != LocationFilter::All);
        let given = Parameters {
            filter,
            forward: subscribe.forward,
            priority: subscribe.priority,
            order: subscribe.order,
            object_timeout: subscribe.object_timeout,
            subgroup_timeout: subscribe.subgroup_timeout,
            rendezvous_timeout: subscribe.rendezvous_timeout,
            new_group: subscribe.new_group,
            fill: subscribe.fill.clone(),
            range_filters: subscribe.range_filters.clone(),
            include_properties: subscribe.include_properties,
            tokens: subscribe.tokens.clone(),
            ..Parameters::default()
        };
        self.settings(Carrier::Subscribe, &given)
    }

    pub(in crate::wire) fn track_status(
        &mut self,
        status: &TrackStatus,
    ) -> Result<(), Inexpressible> {
        self.track(&status.track, NamespacePlace::Whole)?;
        let given = Parameters {
            include_properties: status.include_properties,
            tokens: status.tokens.clone(),
            ..Parameters::default()
        };
        self.settings(Carrier::TrackStatus, &given)
    }

    /// The body of SUBSCRIBE_OK after a request id.
    pub(in crate::wire) fn subscribe_ok(&mut self, ok: &SubscribeOk) -> Result<(), Inexpressible> {
        self.int(ok.alias.0)?;
        let mut given = Parameters {
            expires: ok.expires,
            largest: ok.largest,
            order: ok.order,
            ..Parameters::default()
        };
        self.settings_of(&ok.properties, &mut given);
        self.settings(Carrier::SubscribeOk, &given)?;
        self.track_properties(&ok.properties)
    }

    /// A TRACK_STATUS_OK with the body of SUBSCRIBE_OK.
    pub(in crate::wire) fn track_status_ok(&mut self, ok: &RequestOk) -> Result<(), Inexpressible> {
        self.int(0)?;
        let mut given =
            Parameters { expires: ok.expires, largest: ok.largest, ..Parameters::default() };
        self.settings_of(&ok.properties, &mut given);
        self.settings(Carrier::TrackStatusOk, &given)?;
        self.track_properties(&ok.properties)
    }

    pub(in crate::wire) fn update(
        &mut self,
        update: &RequestUpdate,
        about: Option<About>,
    ) -> Result<(), Inexpressible> {
        let given = Parameters {
            filter: update.filter,
            forward: update.forward,
            priority: update.priority,
            object_timeout: update.object_timeout,
            subgroup_timeout: update.subgroup_timeout,
            new_group: update.new_group,
            fill: update.fill.clone(),
            range_filters: update.range_filters.clone(),
            prefix: update.prefix.clone(),
            tokens: update.tokens.clone(),
            ..Parameters::default()
        };
        let fields = !self.dialect.fixed_in(Carrier::Update).is_empty();
        if fields && (given.priority.is_none() || given.forward.is_none()) {
            return Err(Inexpressible::IncompleteUpdate);
        }
        self.fixed(Carrier::Update, &given)?;
        self.parameters(carriers_of_update(about), &given)
    }

    /// Fields, then parameters.
    pub(in crate::wire) fn settings(
        &mut self,
        carrier: Carrier,
        given: &Parameters,
    ) -> Result<(), Inexpressible> {
        self.fixed(carrier, given)?;
        self.parameters(&[carrier], given)
    }
}
