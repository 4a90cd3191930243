//! Texts that stand for values: sizes with units, durations with units, lists with commas.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sluice_proto::wire::Draft;

/// A value that a flag, a variable or a file gives as text.
pub trait SettingValue: Sized {
    /// Whether the flag alone means `true`.
    const IS_SWITCH: bool = false;
    /// Reads it; the error says what is wanted.
    fn parse(text: &str) -> Result<Self, String>;
    /// Writes it so that `parse` reads it; empty for "not set".
    fn show(&self) -> String;
}

/// A number of bytes, written with an optional KiB, MiB or GiB.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ByteSize(pub u64);

const UNITS: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl SettingValue for ByteSize {
    fn parse(text: &str) -> Result<Self, String> {
        let wanted = || "a size such as 512MiB, 4GiB or 65536".to_owned();
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().map_err(|_| wanted())?;
        let unit = text[digits..].trim();
        let factor = match unit {
            "" => 1,
            unit => {
                let known = UNITS.iter().find(|(name, _)| {
                    name.eq_ignore_ascii_case(unit) || name[..1].eq_ignore_ascii_case(unit)
                });
                known.ok_or_else(wanted)?.1
            }
        };
        number.checked_mul(factor).map(ByteSize).ok_or_else(wanted)
    }

    fn show(&self) -> String {
        let (name, factor) = UNITS
            .iter()
            .find(|(_, factor)| self.0 != 0 && self.0.is_multiple_of(*factor))
            .unwrap_or(&("B", 1));
        if *factor == 1 { self.0.to_string() } else { format!("{}{name}", self.0 / factor) }
    }
}

impl SettingValue for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        let wanted = || "a duration such as 500ms, 5s or 2m".to_owned();
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let number: f64 = text[..digits].parse().map_err(|_| wanted())?;
        let factor = match text[digits..].trim() {
            "ms" => 0.001,
            "s" | "" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(wanted()),
        };
        Duration::try_from_secs_f64(number * factor).map_err(|_| wanted())
    }

    fn show(&self) -> String {
        let millis = self.as_millis();
        match millis {
            0 => "0s".to_owned(),
            _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
            _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
            _ if millis.is_multiple_of(1000) => format!("{}s", millis / 1000),
            _ => format!("{millis}ms"),
        }
    }
}

impl SettingValue for bool {
    const IS_SWITCH: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err("true or false".to_owned()),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// Who may have something over HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    Nobody,
    ThisMachine,
    Everyone,
}

impl SettingValue for Audience {
    const IS_SWITCH: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "off" | "false" => Ok(Self::Nobody),
            "local" => Ok(Self::ThisMachine),
            "all" | "true" => Ok(Self::Everyone),
            _ => Err("off, local or all".to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Nobody => "off",
            Self::ThisMachine => "local",
            Self::Everyone => "all",
        }
        .to_owned()
    }
}

impl<T: SettingValue> SettingValue for Option<T> {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::parse(text).map(Some) }
    }

    fn show(&self) -> String {
        self.as_ref().map(T::show).unwrap_or_default()
    }
}

impl SettingValue for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl SettingValue for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(PathBuf::from(text))
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl SettingValue for SocketAddr {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            "an address and port such as [::]:4433, 0.0.0.0:4433 or 127.0.0.1:4433".to_owned()
        })
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl SettingValue for Vec<Draft> {
    fn parse(text: &str) -> Result<Self, String> {
        chosen_drafts(text, &Draft::ALL)
    }

    fn show(&self) -> String {
        self.iter().map(Draft::to_string).collect::<Vec<_>>().join(",")
    }
}

/// Drafts that a relay speaks: one more than clients can offer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServedDrafts(pub Vec<Draft>);

impl ServedDrafts {
    /// Those that a client can offer.
    pub fn offered(&self) -> Vec<Draft> {
        self.0.iter().copied().filter(|draft| Draft::ALL.contains(draft)).collect()
    }
}

impl SettingValue for ServedDrafts {
    fn parse(text: &str) -> Result<Self, String> {
        chosen_drafts(text, &Draft::SERVED).map(ServedDrafts)
    }

    fn show(&self) -> String {
        self.0.show()
    }
}

/// Newest first, once each, whatever the order they were typed in.
fn chosen_drafts(text: &str, of: &[Draft]) -> Result<Vec<Draft>, String> {
    let known = || format!("a list such as {}", of.to_vec().show());
    let named = |part: &str| part.trim().parse::<Draft>().ok().filter(|draft| of.contains(draft));
    let named = text.split(',').map(|part| named(part).ok_or_else(known));
    let named = named.collect::<Result<Vec<_>, _>>()?;
    Ok(of.iter().copied().filter(|draft| named.contains(draft)).collect())
}

impl SettingValue for Vec<String> {
    fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Ok(parts.map(str::to_owned).collect())
    }

    fn show(&self) -> String {
        self.join(",")
    }
}

impl SettingValue for f64 {
    fn parse(text: &str) -> Result<Self, String> {
        let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| "a number such as 50 or 0.5".to_owned())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

macro_rules! integer {
    ($($type:ty),+) => { $(
        impl SettingValue for $type {
            fn parse(text: &str) -> Result<Self, String> {
                text.trim().parse().map_err(|_| {
                    format!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX)
                })
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+ };
}

integer!(u16, u32, u64, usize);
