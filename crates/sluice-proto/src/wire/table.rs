//! A [`Dialect`] as text: everything that its constant resolves to. The printed tables of all
//! drafts are a file in the repository, which is the reference of what each draft does here.

use std::fmt::{self, Debug, Formatter};

use super::Dialect;
use super::codes::RequestCodes;
use super::layout::parameter::Row;
use crate::model::{DoneCode, RequestCode, RequestKind, ResetCode, SessionCode};

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "Draft {} ({})", self.draft, self.token)?;
        self.fmt_values(f)?;
        self.fmt_messages(f)?;
        self.fmt_parameters(f)?;
        self.fmt_codes(f)?;
        writeln!(f, "\nData plane\n{:#?}", self.data)
    }
}

macro_rules! values {
    ($f:expr, $($name:ident)*) => {
        $(writeln!($f, "  {:<30}{:?}", stringify!($name).replace('_', " "), $name)?;)*
    };
}

impl Dialect {
    fn fmt_values(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Without `..`, so that what is new in the table is printed too.
        let Dialect {
            draft: _,
            token: _,
            version,
            family: _,
            object_streams: _,
            integers,
            properties,
            setup,
            requests,
            required_requests,
            namespaces_on_own_stream,
            interests,
            echo_own_tracks,
            publish_blocked,
            widening,
            updates_answered,
            updates_any_request,
            publish_ok_settings,
            joining_fetch,
            fill,
            rich_filters,
            range_filters,
            several_subscriptions,
            filter_end_ends_subscription,
            state_notify,
            redirect,
            track_properties,
            goaway_request,
            fin,
            data: _,
            messages: _,
            parameter_form,
            parameters: _,
            fixed: _,
            setup_options: _,
            names,
            filter,
            fetch,
            goaway,
            responses,
            errors,
            track_property_form,
            track_properties_unknown,
            publish_namespace_ref,
            unsubscribe_namespace_ref,
            stream_count_unknown,
            session_codes: _,
            request_codes: _,
            done_codes: _,
            reset_codes: _,
        } = self;
        writeln!(f, "\nWhat it can do")?;
        values! { f,
            version setup requests required_requests namespaces_on_own_stream interests echo_own_tracks
            publish_blocked widening updates_answered updates_any_request publish_ok_settings joining_fetch
            fill rich_filters range_filters several_subscriptions filter_end_ends_subscription
            state_notify redirect track_properties goaway_request fin
        }
        writeln!(f, "\nLayouts")?;
        values! { f,
            integers properties parameter_form names filter fetch goaway responses errors
            track_property_form track_properties_unknown publish_namespace_ref
            unsubscribe_namespace_ref stream_count_unknown
        }
        Ok(())
    }

    fn fmt_messages(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nMessages")?;
        let mut rows: Vec<_> = self.message_rows().collect();
        rows.sort_by_key(|row| row.code);
        for row in rows {
            let name = format!("{:?}", row.message);
            writeln!(f, "  {:#06x}  {name:<26}{:?}", row.code, row.on)?;
        }
        Ok(())
    }

    fn fmt_parameters(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nSetup options")?;
        for (code, option) in self.setup_options {
            writeln!(f, "  {code:#04x}  {option:?}")?;
        }
        writeln!(f, "\nMessage parameters")?;
        for Row { code, what, form, on, also_read_on } in self.parameters {
            writeln!(f, "  {code:#04x}  {what:?}, {form:?}: {}", list(on))?;
            if !also_read_on.is_empty() {
                writeln!(f, "        also understood in {}", list(also_read_on))?;
            }
        }
        if !self.fixed.is_empty() {
            writeln!(f, "\nFields instead of parameters")?;
        }
        for (carrier, fields) in self.fixed {
            writeln!(f, "  {carrier:?}: {}", list(fields))?;
        }
        Ok(())
    }

    fn fmt_codes(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nSession codes")?;
        for code in SessionCode::ALL {
            let number = self.session_code(code);
            let exact = self.session_code_of(number) == Some(code);
            fmt_code(f, code, Some(number), exact)?;
        }
        let kinds: &[RequestKind] = match self.request_codes {
            RequestCodes::Shared(_) => &[RequestKind::Subscribe],
            RequestCodes::PerRequest => &RequestKind::ALL,
        };
        for &kind in kinds {
            match self.request_codes {
                RequestCodes::Shared(_) => writeln!(f, "\nRefusals of requests")?,
                RequestCodes::PerRequest => writeln!(f, "\nRefusals of {kind:?}")?,
            }
            for code in RequestCode::ALL {
                let number = self.request_code(code, kind);
                fmt_code(f, code, Some(number), self.request_code_of(number, kind) == code)?;
            }
        }
        writeln!(f, "\nEnds of subscriptions")?;
        for code in DoneCode::ALL {
            let number = self.done_code(code);
            fmt_code(
                f,
                code,
                number,
                number.map(|number| self.done_code_of(number)) == Some(code),
            )?;
        }
        writeln!(f, "\nResets")?;
        for code in ResetCode::ALL {
            let number = self.reset_code(code);
            fmt_code(f, code, Some(number), self.reset_code_of(number) == code)?;
        }
        Ok(())
    }
}

fn list(names: &[impl Debug]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    names.join(" ")
}

/// A name and its number; one that stands in for it in brackets.
fn fmt_code(
    f: &mut Formatter<'_>,
    code: impl Debug,
    number: Option<u64>,
    exact: bool,
) -> fmt::Result {
    let code = format!("{code:?}");
    match number {
        Some(number) if exact => writeln!(f, "  {code:<26}{number:#04x}"),
        Some(number) => writeln!(f, "  {code:<26}({number:#04x})"),
        None => writeln!(f, "  {code:<26}not sent"),
    }
}

#[cfg(test)]
mod tests {
    use crate::wire::JoiningFetch;
    use std::collections::BTreeSet;

    use super::*;
    use crate::wire::layout::fetch::FetchRequestLayout;
    use crate::wire::layout::parameter::{Form, Parameter, ParameterForm};
    use crate::wire::layout::response::{ErrorLayout, ResponseForm};
    use crate::wire::layout::track_properties::TrackPropertyForm;
    use crate::wire::{Draft, MessageKind};

    fn dialects() -> impl Iterator<Item = &'static Dialect> {
        Draft::ALL.into_iter().map(Draft::dialect)
    }

    #[test]
    fn no_type_stands_twice_in_a_table() {
        for dialect in dialects() {
            let mut seen = BTreeSet::new();
            assert!(dialect.message_rows().all(|row| seen.insert(row.code)), "{dialect}");
            let parameters = dialect.parameters;
            assert!(parameters.is_sorted_by(|a, b| a.code < b.code), "{dialect}");
            assert!(dialect.setup_options.is_sorted_by(|a, b| a.0 < b.0), "{dialect}");
        }
    }

    #[test]
    fn a_value_has_a_form_that_its_meaning_can_have() {
        for dialect in dialects() {
            for row in dialect.parameters {
                let structures = match row.what {
                    Parameter::Largest
                    | Parameter::LocationFilter
                    | Parameter::Fill
                    | Parameter::NamespacePrefix => &[Form::Bare, Form::Prefixed][..],
                    // Their values have no end of their own.
                    Parameter::Token | Parameter::RangeFilter(_) => &[Form::Prefixed],
                    _ => &[Form::Int, Form::Byte],
                };
                assert!(structures.contains(&row.form), "draft {}: {row:?}", dialect.draft);
                // Pairs say by their type whether they have a length.
                let pairs = dialect.parameter_form != ParameterForm::Typed;
                let by_parity = [Form::Int, Form::Prefixed][(row.code % 2) as usize];
                assert!(!pairs || row.form == by_parity, "draft {}: {row:?}", dialect.draft);
            }
        }
    }

    #[test]
    fn what_a_dialect_says_it_can_do_stands_in_its_tables() {
        for dialect in dialects() {
            let has = |message| dialect.message_rows().any(|row| row.message == message);
            let carries = |what| dialect.parameters.iter().any(|row| row.what == what);
            let draft = dialect.draft;
            assert_eq!(dialect.publish_blocked, has(MessageKind::PublishBlocked), "{draft}");
            assert_eq!(dialect.state_notify, has(MessageKind::PublishStateNotify), "{draft}");
            assert_eq!(dialect.namespaces_on_own_stream, has(MessageKind::Namespace), "{draft}");
            assert_eq!(dialect.fill, carries(Parameter::Fill), "{draft}");
            let joining = dialect.fetch == FetchRequestLayout::TypedExclusiveEnd;
            assert_eq!(dialect.joining_fetch != JoiningFetch::None, joining, "{draft}");
            assert_eq!(dialect.redirect, dialect.errors == ErrorLayout::RetryRedirect, "{draft}");
            let tail = dialect.track_property_form != TrackPropertyForm::Settings;
            assert_eq!(dialect.track_properties, tail, "{draft}");
            let answered = dialect.responses != ResponseForm::PerRequest;
            assert_eq!(dialect.updates_answered, answered, "{draft}");
        }
    }

    #[test]
    fn every_code_has_a_number_that_fits_and_leads_back_to_it_or_its_substitute() {
        for dialect in dialects() {
            for code in RequestCode::ALL {
                for kind in RequestKind::ALL {
                    let number = dialect.request_code(code, kind);
                    let back = dialect.request_code_of(number, kind);
                    assert_eq!(dialect.request_code(back, kind), number, "{code:?} {kind:?}");
                }
            }
            for code in ResetCode::ALL {
                let number = dialect.reset_code(code);
                assert_eq!(dialect.reset_code(dialect.reset_code_of(number)), number, "{code:?}");
                assert!(u32::try_from(number).is_ok(), "WebTransport has 32 bits for it");
            }
            for number in (0..0x80).chain([u64::MAX]) {
                // Unknown ones have a meaning too.
                dialect.done_code_of(number);
                dialect.reset_code_of(number);
            }
        }
    }
}
