//! The Token structure (MOQT-18 §10.2.2).

use super::body::{Body, Writer};
use crate::model::Token;
use crate::wire::{Field, Inexpressible, Violation};

const DELETE: u64 = 0x0;
const REGISTER: u64 = 0x1;
const USE_ALIAS: u64 = 0x2;
const USE_VALUE: u64 = 0x3;

impl Body<'_> {
    /// The token that this part consists of.
    pub(in crate::wire) fn token(mut self) -> Result<Token, Violation> {
        let fault = Violation::TokenFormat { message: self.message };
        let mut int = || self.int(Field::ParameterValue).map_err(|_| fault);
        let token = match int()? {
            DELETE => Token::Delete { alias: int()? },
            REGISTER => {
                let (alias, kind) = (int()?, int()?);
                Token::Register { alias, kind, value: self.rest() }
            }
            USE_ALIAS => Token::UseAlias { alias: int()? },
            USE_VALUE => {
                let kind = int()?;
                Token::UseValue { kind, value: self.rest() }
            }
            _ => return Err(fault),
        };
        self.finish().map_err(|_| fault)?;
        Ok(token)
    }
}

impl Writer<'_, '_> {
    /// A token without its length.
    pub(in crate::wire) fn token(&mut self, token: &Token) -> Result<(), Inexpressible> {
        let (head, value): (&[u64], &[u8]) = match token {
            Token::Delete { alias } => (&[DELETE, *alias], &[]),
            Token::Register { alias, kind, value } => (&[REGISTER, *alias, *kind], value),
            Token::UseAlias { alias } => (&[USE_ALIAS, *alias], &[]),
            Token::UseValue { kind, value } => (&[USE_VALUE, *kind], value),
        };
        for &field in head {
            self.int(field)?;
        }
        self.out.extend_from_slice(value);
        Ok(())
    }
}
