//! CLIENT_SETUP, SERVER_SETUP and SETUP, and their options (MOQT-18 §10.3).

use super::body::{Body, Writer};
use super::parameter::ParameterForm;
use crate::model::{SetupOptions, Token};
use crate::transport::Side;
use crate::wire::{Field, Inexpressible, Message, MessageKind, SetupExchange, Violation};

/// What a setup option says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum SetupOption {
    Path,
    Authority,
    /// One type with two meanings: AUTHORITY of a client, MOQT_IMPLEMENTATION of a server.
    AuthorityOrImplementation,
    Implementation,
    RequestIdLimit,
    TokenCacheBytes,
    FilterRanges,
    RequestUpdates,
    Token,
}

impl Body<'_> {
    pub(in crate::wire) fn setup(&mut self, from: Side) -> Result<Message, Violation> {
        let in_band = self.dialect.setup == SetupExchange::VersionsInBand;
        Ok(match self.message {
            MessageKind::ClientSetup => {
                let mut versions = Vec::new();
                let count = if in_band { self.int(Field::Versions)? } else { 0 };
                for _ in 0..count {
                    versions.push(self.int(Field::Versions)?);
                }
                Message::ClientSetup { versions, options: self.options(from)? }
            }
            MessageKind::ServerSetup => {
                let version = if in_band { Some(self.int(Field::Versions)?) } else { None };
                Message::ServerSetup { version, options: self.options(from)? }
            }
            _ => Message::Setup(self.options(from)?),
        })
    }

    fn options(&mut self, from: Side) -> Result<SetupOptions, Violation> {
        let mut options = SetupOptions::default();
        let mut left = match self.dialect.setup {
            SetupExchange::Both => u64::MAX,
            SetupExchange::VersionsInBand | SetupExchange::ClientFirst => {
                self.int(Field::Parameters)?
            }
        };
        let counted = self.dialect.setup != SetupExchange::Both;
        let mut previous = 0;
        let mut seen = Vec::new();
        while if counted { left > 0 } else { !self.is_empty() } {
            left -= 1;
            let written = self.int(Field::OptionType)?;
            let code = match self.dialect.parameter_form {
                ParameterForm::AbsolutePairs => written,
                ParameterForm::DeltaPairs | ParameterForm::Typed => {
                    self.type_after(previous, written)?
                }
            };
            previous = code;
            let known = self.dialect.setup_options.iter().find(|(known, _)| *known == code);
            let option = known.map(|&(_, option)| option);
            if option.is_some_and(|option| option != SetupOption::Token) {
                if seen.contains(&code) {
                    return Err(Violation::RepeatedParameter { message: self.message, code });
                }
                seen.push(code);
            }
            if code % 2 == 0 {
                let value = self.int(Field::OptionValue)?;
                number_option(option, value, &mut options);
            } else {
                let part = self.value_part(code)?;
                part.bytes_option(option, from, &mut options)?;
            }
        }
        Ok(options)
    }

    fn bytes_option(
        mut self,
        option: Option<SetupOption>,
        from: Side,
        options: &mut SetupOptions,
    ) -> Result<(), Violation> {
        match option {
            Some(SetupOption::Token) => options.tokens.push(self.setup_token(from)?),
            Some(SetupOption::Path) => {
                if from == Side::Server {
                    return Err(Violation::UnexpectedPath);
                }
                options.path = Some(self.plain_text().ok_or(Violation::MalformedPath)?);
            }
            Some(SetupOption::AuthorityOrImplementation) if from == Side::Server => {
                options.implementation = Some(self.lossy_text());
            }
            Some(SetupOption::Authority | SetupOption::AuthorityOrImplementation) => {
                if from == Side::Server {
                    return Err(Violation::UnexpectedAuthority);
                }
                options.authority = Some(self.plain_text().ok_or(Violation::MalformedAuthority)?);
            }
            Some(SetupOption::Implementation) => options.implementation = Some(self.lossy_text()),
            _ => {}
        }
        Ok(())
    }

    fn setup_token(self, from: Side) -> Result<Token, Violation> {
        match self.token()? {
            // MOQT-18 §10.3.1.4: a client's aliases start with its SETUP, so there is none to use.
            Token::Delete { .. } | Token::UseAlias { .. } if from == Side::Client => {
                Err(Violation::SetupTokenAlias)
            }
            token => Ok(token),
        }
    }

    /// Everything that is left, if it is text without control characters.
    fn plain_text(&mut self) -> Option<String> {
        let text = String::from_utf8(self.rest().into()).ok()?;
        (!text.contains(char::is_control)).then_some(text)
    }

    fn lossy_text(&mut self) -> String {
        String::from_utf8_lossy(&self.rest()).into_owned()
    }
}

fn number_option(option: Option<SetupOption>, value: u64, options: &mut SetupOptions) {
    match option {
        Some(SetupOption::RequestIdLimit) => options.request_id_limit = Some(value),
        Some(SetupOption::TokenCacheBytes) => options.token_cache_bytes = Some(value),
        Some(SetupOption::FilterRanges) => options.filter_ranges = Some(value),
        Some(SetupOption::RequestUpdates) => options.request_updates = Some(value),
        _ => {}
    }
}

impl Writer<'_, '_> {
    pub(in crate::wire) fn client_setup(
        &mut self,
        versions: &[u64],
        options: &SetupOptions,
    ) -> Result<(), Inexpressible> {
        if self.dialect.setup == SetupExchange::VersionsInBand {
            self.int(versions.len() as u64)?;
            versions.iter().try_for_each(|&version| self.int(version))?;
        }
        self.options(options, Side::Client)
    }

    pub(in crate::wire) fn server_setup(
        &mut self,
        version: Option<u64>,
        options: &SetupOptions,
    ) -> Result<(), Inexpressible> {
        if self.dialect.setup == SetupExchange::VersionsInBand {
            self.int(version.or(self.dialect.version).unwrap_or_default())?;
        }
        self.options(options, Side::Server)
    }

    /// The options that the draft has, and of those what `from` may send.
    pub(in crate::wire) fn options(
        &mut self,
        options: &SetupOptions,
        from: Side,
    ) -> Result<(), Inexpressible> {
        enum Value<'v> {
            Int(u64),
            Text(&'v str),
            Token(&'v Token),
        }
        let int = |value: Option<u64>| value.map(Value::Int);
        let of_client = |text: &'_ Option<String>| from == Side::Client && text.is_some();
        let mut values = Vec::new();
        for &(code, option) in self.dialect.setup_options {
            let value = match option {
                SetupOption::Path if of_client(&options.path) => {
                    options.path.as_deref().map(Value::Text)
                }
                SetupOption::Authority | SetupOption::AuthorityOrImplementation
                    if of_client(&options.authority) =>
                {
                    options.authority.as_deref().map(Value::Text)
                }
                SetupOption::Path
                | SetupOption::Authority
                | SetupOption::AuthorityOrImplementation => None,
                SetupOption::Implementation => options.implementation.as_deref().map(Value::Text),
                SetupOption::RequestIdLimit => int(options.request_id_limit),
                SetupOption::TokenCacheBytes => int(options.token_cache_bytes),
                SetupOption::FilterRanges => int(options.filter_ranges),
                SetupOption::RequestUpdates => int(options.request_updates),
                SetupOption::Token => {
                    values.extend(options.tokens.iter().map(|token| (code, Value::Token(token))));
                    None
                }
            };
            values.extend(value.map(|value| (code, value)));
        }
        if self.dialect.setup != SetupExchange::Both {
            self.int(values.len() as u64)?;
        }
        let mut previous = 0;
        for (code, value) in values {
            let delta = self.dialect.parameter_form != ParameterForm::AbsolutePairs;
            self.int(if delta { code - previous } else { code })?;
            previous = code;
            match value {
                Value::Int(value) => self.int(value)?,
                Value::Text(text) => self.prefixed(text.as_bytes())?,
                Value::Token(token) => self.part(|part| part.token(token))?,
            }
        }
        Ok(())
    }
}
