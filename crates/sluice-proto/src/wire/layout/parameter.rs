//! Message parameters: the table that a draft lists them in, and the one routine that reads or
//! writes any of them (MOQT-18 §10.2).
//!
//! All settings of a message pass through [`Parameters`], whether the draft has them as fields or
//! as parameters; messages take theirs from it and put theirs into it.

use std::time::Duration;

use super::body::{Body, Writer, milliseconds, nonzero};
use super::name::NamespacePlace;
use super::range_filter::RangeFilterType;
use crate::model::{
    Fill, GroupId, GroupOrder, Location, LocationFilter, Priority, RangeFilter, RangeFilters,
    Token, TrackNamespace,
};
use crate::wire::{Field, Inexpressible, RangeFilterFault, Violation};

/// Longest value of a key-value pair (MOQT-18 §1.4.3).
const VALUE_BYTES_MAX: u64 = 65_535;

/// How a list of parameters is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ParameterForm {
    /// Key-value pairs with absolute types. What is unknown is skipped.
    AbsolutePairs,
    /// Key-value pairs with delta types. What is unknown breaks the rules.
    DeltaPairs,
    /// Delta types, values as each definition says. What is unknown cannot be skipped.
    Typed,
}

/// What a parameter says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Parameter {
    ObjectTimeout,
    /// Where the draft gives no meaning to a timeout of 0.
    NonzeroObjectTimeout,
    SubgroupTimeout,
    RendezvousTimeout,
    FillTimeout,
    MaxCacheDuration,
    Expires,
    Largest,
    Forward,
    SubscriberPriority,
    GroupOrder,
    LocationFilter,
    RangeFilter(RangeFilterType),
    Fill,
    NewGroup,
    /// The track's, where it is not among its properties.
    PublisherPriority,
    /// The same.
    DynamicGroups,
    NamespacePrefix,
    IncludeProperties,
    Token,
}

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// An integer.
    Int,
    /// One byte.
    Byte,
    /// A structure that knows its own end.
    Bare,
    /// A structure after its length.
    Prefixed,
}

/// What carries parameters. A REQUEST_OK is told apart by what it answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Carrier {
    Subscribe,
    SubscribeOk,
    Publish,
    PublishOk,
    Fetch,
    FetchOk,
    TrackStatus,
    TrackStatusOk,
    PublishNamespace,
    PublishNamespaceOk,
    SubscribeNamespace,
    SubscribeTracks,
    InterestOk,
    Update,
    /// An update of a subscription only.
    UpdateSubscription,
    /// An update of a namespace subscription only.
    UpdateInterest,
    UpdateOk,
    StateNotify,
    Fill,
}

/// A row of a draft's table of parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) code: u64,
    pub(crate) what: Parameter,
    pub(crate) form: Form,
    /// Where it may stand.
    pub(crate) on: &'static [Carrier],
    /// Where it is understood besides, but never sent, because the draft is of two minds.
    pub(crate) also_read_on: &'static [Carrier],
}

impl Row {
    pub(crate) const fn new(
        code: u64,
        what: Parameter,
        form: Form,
        on: &'static [Carrier],
    ) -> Self {
        Self { code, what, form, on, also_read_on: &[] }
    }

    pub(crate) const fn also_read_on(self, also_read_on: &'static [Carrier]) -> Self {
        Self { also_read_on, ..self }
    }

    fn read_on(&self, carriers: &[Carrier]) -> bool {
        carriers
            .iter()
            .any(|carrier| self.on.contains(carrier) || self.also_read_on.contains(carrier))
    }

    fn sent_on(&self, carriers: &[Carrier]) -> bool {
        carriers.iter().any(|carrier| self.on.contains(carrier))
    }

    fn repeats(&self) -> bool {
        matches!(self.what, Parameter::Token | Parameter::RangeFilter(_))
    }
}

/// Rows of a table that changes some of `base`, which is how newer drafts are said.
pub(crate) const fn changed_rows(base: &[Row], changes: &[Row]) -> usize {
    let mut rows = base.len() + changes.len();
    let mut at = 0;
    while at < changes.len() {
        let mut same = 0;
        while same < base.len() {
            if base[same].code == changes[at].code {
                rows -= 1;
            }
            same += 1;
        }
        at += 1;
    }
    rows
}

/// A table that has the rows of `changes`, and those of `base` with other codes.
pub(crate) const fn changed<const ROWS: usize>(base: &[Row], changes: &[Row]) -> [Row; ROWS] {
    let mut table = [changes[0]; ROWS];
    let (mut row, mut old, mut new) = (0, 0, 0);
    while row < ROWS {
        let take_new =
            old == base.len() || new < changes.len() && changes[new].code <= base[old].code;
        if take_new {
            if old < base.len() && base[old].code == changes[new].code {
                old += 1;
            }
            table[row] = changes[new];
            new += 1;
        } else {
            table[row] = base[old];
            old += 1;
        }
        row += 1;
    }
    table
}

/// The settings of one message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::wire) struct Parameters {
    pub(in crate::wire) object_timeout: Option<Duration>,
    pub(in crate::wire) subgroup_timeout: Option<Duration>,
    pub(in crate::wire) rendezvous_timeout: Option<Duration>,
    pub(in crate::wire) fill_timeout: Option<Duration>,
    pub(in crate::wire) max_cache_duration: Option<Duration>,
    pub(in crate::wire) expires: Option<Duration>,
    pub(in crate::wire) largest: Option<Location>,
    pub(in crate::wire) forward: Option<bool>,
    pub(in crate::wire) priority: Option<Priority>,
    pub(in crate::wire) order: Option<GroupOrder>,
    pub(in crate::wire) filter: Option<LocationFilter>,
    pub(in crate::wire) range_filters: RangeFilters,
    pub(in crate::wire) fill: Option<Fill>,
    pub(in crate::wire) new_group: Option<GroupId>,
    pub(in crate::wire) publisher_priority: Option<Priority>,
    pub(in crate::wire) dynamic_groups: Option<bool>,
    pub(in crate::wire) prefix: Option<TrackNamespace>,
    pub(in crate::wire) include_properties: Option<bool>,
    pub(in crate::wire) tokens: Vec<Token>,
}

impl Parameters {
    /// How often a parameter is to be written.
    fn instances(&self, what: Parameter) -> usize {
        let given = match what {
            Parameter::ObjectTimeout => self.object_timeout.is_some(),
            Parameter::NonzeroObjectTimeout => self.object_timeout.is_some_and(|t| !t.is_zero()),
            Parameter::SubgroupTimeout => self.subgroup_timeout.is_some(),
            Parameter::RendezvousTimeout => self.rendezvous_timeout.is_some(),
            Parameter::FillTimeout => self.fill_timeout.is_some(),
            Parameter::MaxCacheDuration => self.max_cache_duration.is_some(),
            Parameter::Expires => self.expires.is_some(),
            Parameter::Largest => self.largest.is_some(),
            Parameter::Forward => self.forward.is_some(),
            Parameter::SubscriberPriority => self.priority.is_some(),
            Parameter::GroupOrder => self.order.is_some(),
            Parameter::LocationFilter => self.filter.is_some(),
            Parameter::Fill => self.fill.is_some(),
            Parameter::NewGroup => self.new_group.is_some(),
            Parameter::PublisherPriority => self.publisher_priority.is_some(),
            Parameter::DynamicGroups => self.dynamic_groups.is_some(),
            Parameter::NamespacePrefix => self.prefix.is_some(),
            Parameter::IncludeProperties => self.include_properties.is_some(),
            Parameter::Token => return self.tokens.len(),
            Parameter::RangeFilter(kind) => {
                let of_kind = |filter: &&RangeFilter| RangeFilterType::of(filter) == kind;
                return self.range_filters.iter().filter(of_kind).count();
            }
        };
        usize::from(given)
    }

    /// The value of a parameter that is a number.
    fn number(&self, what: Parameter) -> u64 {
        let time = |time: Option<Duration>| time.map_or(0, milliseconds);
        match what {
            Parameter::ObjectTimeout | Parameter::NonzeroObjectTimeout => time(self.object_timeout),
            Parameter::SubgroupTimeout => time(self.subgroup_timeout),
            Parameter::RendezvousTimeout => time(self.rendezvous_timeout),
            Parameter::FillTimeout => time(self.fill_timeout),
            Parameter::MaxCacheDuration => time(self.max_cache_duration),
            Parameter::Expires => time(self.expires),
            Parameter::Forward => self.forward.unwrap_or(true).into(),
            Parameter::SubscriberPriority => self.priority.unwrap_or_default().0.into(),
            Parameter::GroupOrder => order_number(self.order.unwrap_or_default()).into(),
            Parameter::NewGroup => self.new_group.unwrap_or_default().0,
            Parameter::PublisherPriority => self.publisher_priority.unwrap_or_default().0.into(),
            Parameter::DynamicGroups => self.dynamic_groups.unwrap_or_default().into(),
            Parameter::IncludeProperties => self.include_properties.unwrap_or(true).into(),
            Parameter::Largest
            | Parameter::LocationFilter
            | Parameter::RangeFilter(_)
            | Parameter::Fill
            | Parameter::NamespacePrefix
            | Parameter::Token => 0,
        }
    }
}

impl<'d> Body<'d> {
    /// A list of parameters after its count, added to `into`. `carriers` are all that the message
    /// can be.
    pub(in crate::wire) fn parameters(
        &mut self,
        carriers: &[Carrier],
        into: &mut Parameters,
    ) -> Result<(), Violation> {
        let message = self.message;
        let form = self.dialect.parameter_form;
        let count = self.int(Field::Parameters)?;
        let mut previous = 0;
        let mut seen = Vec::new();
        for _ in 0..count {
            let code = match form {
                ParameterForm::AbsolutePairs => self.int(Field::ParameterType)?,
                ParameterForm::DeltaPairs | ParameterForm::Typed => {
                    let delta = self.int(Field::ParameterType)?;
                    self.type_after(previous, delta)?
                }
            };
            previous = code;
            let Some(row) = self.dialect.parameters.iter().find(|row| row.code == code) else {
                match form {
                    ParameterForm::AbsolutePairs => self.skip_pair(code)?,
                    _ => return Err(Violation::UnknownParameter { message, code }),
                }
                continue;
            };
            if !row.repeats() {
                if seen.contains(&code) {
                    return Err(Violation::RepeatedParameter { message, code });
                }
                seen.push(code);
            }
            if row.read_on(carriers) {
                self.parameter(row, into)?;
            } else if form == ParameterForm::Typed {
                return Err(Violation::MisplacedParameter { message, code });
            } else {
                self.skip_pair(code)?;
            }
        }
        Ok(())
    }

    pub(in crate::wire) fn type_after(&self, previous: u64, delta: u64) -> Result<u64, Violation> {
        let overflow = Violation::PairTypeOverflow { message: self.message };
        previous.checked_add(delta).ok_or(overflow)
    }

    fn skip_pair(&mut self, code: u64) -> Result<(), Violation> {
        match code % 2 {
            0 => self.int(Field::ParameterValue).map(drop),
            _ => self.value_part(code).map(drop),
        }
    }

    /// The value of a type whose values have a length.
    pub(in crate::wire) fn value_part(&mut self, code: u64) -> Result<Body<'d>, Violation> {
        let bytes = self.int(Field::ParameterLength)?;
        if bytes > VALUE_BYTES_MAX {
            return Err(Violation::PairTooLong { message: self.message, code, bytes });
        }
        self.part(Field::ParameterValue, bytes)
    }

    fn parameter(&mut self, row: &Row, into: &mut Parameters) -> Result<(), Violation> {
        match row.form {
            Form::Int => {
                let value = self.int(Field::ParameterValue)?;
                self.number(row.what, value, into)
            }
            Form::Byte => {
                let value = self.byte(Field::ParameterValue)?;
                self.number(row.what, value.into(), into)
            }
            Form::Bare => self.structure(row, into),
            Form::Prefixed => self.prefixed_structure(row, into),
        }
    }

    fn number(&self, what: Parameter, value: u64, into: &mut Parameters) -> Result<(), Violation> {
        let time = Duration::from_millis(value);
        match what {
            Parameter::ObjectTimeout => into.object_timeout = Some(time),
            Parameter::NonzeroObjectTimeout if value == 0 => {
                return Err(self.invalid(Field::DeliveryTimeout, value));
            }
            Parameter::NonzeroObjectTimeout => into.object_timeout = Some(time),
            Parameter::SubgroupTimeout => into.subgroup_timeout = Some(time),
            Parameter::RendezvousTimeout => into.rendezvous_timeout = Some(time),
            Parameter::FillTimeout => into.fill_timeout = Some(time),
            Parameter::MaxCacheDuration => into.max_cache_duration = Some(time),
            Parameter::Expires => into.expires = nonzero(value),
            Parameter::Forward => into.forward = Some(self.flag(Field::Forward, value)?),
            Parameter::SubscriberPriority => {
                into.priority = Some(self.priority(Field::SubscriberPriority, value)?);
            }
            Parameter::PublisherPriority => {
                into.publisher_priority = Some(self.priority(Field::PublisherPriority, value)?);
            }
            Parameter::DynamicGroups => {
                into.dynamic_groups = Some(self.flag(Field::DynamicGroups, value)?);
            }
            Parameter::GroupOrder => into.order = Some(self.group_order(value)?),
            Parameter::NewGroup => into.new_group = Some(GroupId(value)),
            Parameter::IncludeProperties => {
                into.include_properties = Some(self.flag(Field::IncludeProperties, value)?);
            }
            // No table gives these a number; a test holds that.
            Parameter::Largest
            | Parameter::LocationFilter
            | Parameter::RangeFilter(_)
            | Parameter::Fill
            | Parameter::NamespacePrefix
            | Parameter::Token => {}
        }
        Ok(())
    }

    fn structure(&mut self, row: &Row, into: &mut Parameters) -> Result<(), Violation> {
        match row.what {
            Parameter::Largest => into.largest = Some(self.location()?),
            Parameter::LocationFilter => into.filter = Some(self.filter()?),
            Parameter::NamespacePrefix => {
                into.prefix = Some(self.namespace(NamespacePlace::Prefix)?);
            }
            Parameter::Fill => into.fill = Some(self.fill()?),
            // No table gives the others a structure; a test holds that.
            _ => {}
        }
        Ok(())
    }

    fn prefixed_structure(&mut self, row: &Row, into: &mut Parameters) -> Result<(), Violation> {
        let (message, code) = (self.message, row.code);
        let mut part = self.value_part(code)?;
        match row.what {
            Parameter::Token => {
                into.tokens.push(part.token()?);
                return Ok(());
            }
            Parameter::RangeFilter(kind) => {
                let filter = part.range_filter(code, kind)?;
                let same =
                    |other: &RangeFilter| other.kind == filter.kind && other.set == filter.set;
                if into.range_filters.iter().any(same) {
                    let fault = RangeFilterFault::Repeated;
                    return Err(Violation::RangeFilter { message, code, fault });
                }
                into.range_filters.push(filter);
                return Ok(());
            }
            _ => {}
        }
        // The value's length is known, so a value that does not fill it is ill-formed rather than
        // a body cut short (MOQT-18 §1.4.3; MOQT-18 §5.1.2 for filters).
        let format = match row.what {
            Parameter::LocationFilter => Violation::FilterFormat { message },
            _ => Violation::ParameterFormat { message, code },
        };
        part.structure(row, into).map_err(|fault| match fault {
            Violation::Truncated { .. } => format,
            other => other,
        })?;
        part.finish().map_err(|_| format)
    }

    fn priority(&self, field: Field, value: u64) -> Result<Priority, Violation> {
        u8::try_from(value).map(Priority).map_err(|_| self.invalid(field, value))
    }

    pub(in crate::wire) fn flag(&self, field: Field, value: u64) -> Result<bool, Violation> {
        match value {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.invalid(field, value)),
        }
    }

    pub(in crate::wire) fn group_order(&self, value: u64) -> Result<GroupOrder, Violation> {
        match value {
            1 => Ok(GroupOrder::Ascending),
            2 => Ok(GroupOrder::Descending),
            _ => Err(self.invalid(Field::GroupOrder, value)),
        }
    }

    fn fill(&mut self) -> Result<Fill, Violation> {
        let mut inner = Parameters::default();
        self.parameters(&[Carrier::Fill], &mut inner)?;
        Ok(Fill {
            filter: inner.filter,
            priority: inner.priority,
            order: inner.order,
            timeout: inner.fill_timeout,
            range_filters: inner.range_filters,
        })
    }
}

pub(in crate::wire) fn order_number(order: GroupOrder) -> u8 {
    match order {
        GroupOrder::Ascending => 1,
        GroupOrder::Descending => 2,
    }
}

impl Writer<'_, '_> {
    /// A list of parameters with its count: those of `from` that the draft defines for one of
    /// `carriers`. What only advises is left out where the draft lacks it; what decides which
    /// objects are sent is refused.
    pub(in crate::wire) fn parameters(
        &mut self,
        carriers: &[Carrier],
        from: &Parameters,
    ) -> Result<(), Inexpressible> {
        let dialect = self.dialect;
        let rows = || dialect.parameters.iter().filter(|row| row.sent_on(carriers));
        let carries = |what: Parameter| rows().any(|row| row.what == what);
        if from.fill.is_some() && !carries(Parameter::Fill) {
            return Err(Inexpressible::Fill);
        }
        let carried = |filter| carries(Parameter::RangeFilter(RangeFilterType::of(filter)));
        if !from.range_filters.iter().all(carried) {
            return Err(Inexpressible::RangeFilters);
        }
        if from.prefix.is_some() && !carries(Parameter::NamespacePrefix) {
            return Err(Inexpressible::Update);
        }
        let count: usize = rows().map(|row| from.instances(row.what)).sum();
        self.int(count as u64)?;
        let mut previous = 0;
        for row in rows() {
            for instance in 0..from.instances(row.what) {
                let delta = match dialect.parameter_form {
                    ParameterForm::AbsolutePairs => row.code,
                    ParameterForm::DeltaPairs | ParameterForm::Typed => row.code - previous,
                };
                self.int(delta)?;
                self.parameter(row, from, instance)?;
                previous = row.code;
            }
        }
        Ok(())
    }

    fn parameter(
        &mut self,
        row: &Row,
        from: &Parameters,
        instance: usize,
    ) -> Result<(), Inexpressible> {
        match row.form {
            Form::Int if row.what == Parameter::NewGroup => self.int(from.number(row.what)),
            // The other integers are small or times, of which the longest is long enough.
            Form::Int => self.int(from.number(row.what).min(self.dialect.integers.max())),
            Form::Byte => {
                self.byte(u8::try_from(from.number(row.what)).unwrap_or(u8::MAX));
                Ok(())
            }
            Form::Bare => self.structure(row.what, from, instance),
            Form::Prefixed => self.part(|part| part.structure(row.what, from, instance)),
        }
    }

    fn structure(
        &mut self,
        what: Parameter,
        from: &Parameters,
        instance: usize,
    ) -> Result<(), Inexpressible> {
        match what {
            Parameter::Largest => self.location(from.largest.unwrap_or_default()),
            Parameter::LocationFilter => self.filter(from.filter.unwrap_or_default()),
            Parameter::NamespacePrefix => {
                let prefix = from.prefix.clone().unwrap_or_default();
                self.namespace(&prefix, NamespacePlace::Prefix)
            }
            Parameter::Fill => from.fill.as_ref().map_or(Ok(()), |fill| self.fill(fill)),
            Parameter::Token => self.token(&from.tokens[instance]),
            Parameter::RangeFilter(kind) => {
                let of_kind = |filter: &&RangeFilter| RangeFilterType::of(filter) == kind;
                let mut filters = from.range_filters.iter().filter(of_kind);
                filters.nth(instance).map_or(Ok(()), |filter| self.range_filter(filter))
            }
            _ => Ok(()),
        }
    }

    fn fill(&mut self, fill: &Fill) -> Result<(), Inexpressible> {
        let inner = Parameters {
            filter: fill.filter,
            priority: fill.priority,
            order: fill.order,
            fill_timeout: fill.timeout,
            range_filters: fill.range_filters.clone(),
            ..Parameters::default()
        };
        self.parameters(&[Carrier::Fill], &inner)
    }
}
