//! Settings that a draft has as fields of a message instead of parameters, in a fixed order.

use std::time::Duration;

use super::body::{Body, Writer, nonzero};
use super::filter::from;
use super::parameter::{Carrier, Parameters, order_number};
use crate::model::{GroupId, LocationFilter, Priority, RangeEnd};
use crate::wire::{Field, Inexpressible, Violation};

/// A setting as a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fixed {
    /// One byte.
    SubscriberPriority,
    /// One byte: 1 or 2.
    GroupOrder,
    /// One byte: 1, 2, or 0 for the publisher's.
    GroupOrderOrDefault,
    /// One byte: 0 or 1.
    Forward,
    /// A location filter.
    Filter,
    /// Milliseconds; 0 for none.
    Expires,
    /// One byte that says whether there is a largest location, and that location.
    Largest,
    /// Start of a subscription, and its end group plus one; 0 for none.
    Narrowing,
}

impl Body<'_> {
    /// The fields that the draft has in `carrier`.
    pub(in crate::wire) fn fixed(
        &mut self,
        carrier: Carrier,
        into: &mut Parameters,
    ) -> Result<(), Violation> {
        for field in self.dialect.fixed_in(carrier) {
            match field {
                Fixed::SubscriberPriority => {
                    into.priority = Some(Priority(self.byte(Field::SubscriberPriority)?));
                }
                Fixed::GroupOrder | Fixed::GroupOrderOrDefault => {
                    into.order = match self.byte(Field::GroupOrder)? {
                        0 if *field == Fixed::GroupOrderOrDefault => None,
                        order => Some(self.group_order(order.into())?),
                    };
                }
                Fixed::Forward => {
                    let forward = self.byte(Field::Forward)?;
                    into.forward = Some(self.flag(Field::Forward, forward.into())?);
                }
                Fixed::Filter => into.filter = Some(self.filter()?),
                Fixed::Expires => into.expires = nonzero(self.int(Field::Expires)?),
                Fixed::Largest => {
                    let exists = self.byte(Field::ContentExists)?;
                    if self.flag(Field::ContentExists, exists.into())? {
                        into.largest = Some(self.location()?);
                    }
                }
                Fixed::Narrowing => {
                    let start = self.location()?;
                    into.filter = Some(match self.int(Field::EndGroup)? {
                        0 => from(start),
                        end => {
                            let end = RangeEnd { group: GroupId(end - 1), object: None };
                            LocationFilter::Range(start, end)
                        }
                    });
                }
            }
        }
        Ok(())
    }
}

impl Writer<'_, '_> {
    /// The fields that the draft has in `carrier`, with their defaults for what is not given.
    pub(in crate::wire) fn fixed(
        &mut self,
        carrier: Carrier,
        given: &Parameters,
    ) -> Result<(), Inexpressible> {
        for field in self.dialect.fixed_in(carrier) {
            match field {
                Fixed::SubscriberPriority => self.byte(given.priority.unwrap_or_default().0),
                Fixed::GroupOrder => self.byte(order_number(given.order.unwrap_or_default())),
                Fixed::GroupOrderOrDefault => self.byte(given.order.map_or(0, order_number)),
                Fixed::Forward => self.byte(given.forward.unwrap_or(true).into()),
                Fixed::Filter => self.filter(given.filter.unwrap_or_default())?,
                Fixed::Expires => {
                    let expires = given.expires.unwrap_or(Duration::ZERO);
                    self.int(self.milliseconds(expires))?;
                }
                Fixed::Largest => {
                    self.byte(given.largest.is_some().into());
                    given.largest.map_or(Ok(()), |largest| self.location(largest))?;
                }
                Fixed::Narrowing => self.narrowing(given.filter)?,
            }
        }
        Ok(())
    }

    fn narrowing(&mut self, filter: Option<LocationFilter>) -> Result<(), Inexpressible> {
        let (start, end) = match filter.ok_or(Inexpressible::IncompleteUpdate)? {
            LocationFilter::NextObject | LocationFilter::RelativeGroup(_) => {
                return Err(Inexpressible::RelativeGroup);
            }
            LocationFilter::Range(_, RangeEnd { object: Some(_), .. }) => {
                return Err(Inexpressible::EndObject);
            }
            absolute => absolute.resolve(None),
        };
        self.location(start)?;
        match end {
            None => self.int(0),
            // One more than the largest group is no number, and nothing lies beyond that group.
            Some(end) => self.int(end.group.0.checked_add(1).unwrap_or(0)),
        }
    }
}
