//! Settings: one typed struct whose defaults stand in one place; flag, environment variable and
//! file reach the same field.
//!
//! [`RelaySettings`] and those of the tools are each declared once, by the `settings!` macro, which
//! also makes the registry that the command line, the file reader and the generated reference walk.
//! Precedence: flag, environment variable, file, default.

mod file;
mod macros;
mod relay;
mod tools;
mod value;

pub use file::SettingsError;
pub use relay::RelaySettings;
pub use tools::{BenchSettings, Packaging, PublishSettings, SubscribeSettings};
pub use value::{Audience, ByteSize, ServedDrafts, SettingValue};

/// One setting of `S`, as the command line, the environment and the file see it.
pub struct Setting<S: 'static> {
    /// Key in the file; with dashes, the flag.
    pub name: &'static str,
    /// What kind of value it takes, for `--help`.
    pub value_name: &'static str,
    /// Lines of documentation.
    pub help: &'static [&'static str],
    /// Whether the flag alone means `true`.
    pub is_switch: bool,
    /// Sets the field from text.
    pub set: fn(&mut S, &str) -> Result<(), String>,
    /// The field as text that [`Setting::set`] reads.
    pub show: fn(&S) -> String,
}

impl<S: Default> Setting<S> {
    /// The flag, without its leading dashes.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The environment variable.
    pub fn env(&self) -> String {
        format!("SLUICE_{}", self.name.to_uppercase())
    }

    /// Its documentation as one paragraph, with default and environment variable.
    pub fn description(&self) -> String {
        let mut text = self.help.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
        let default = (self.show)(&S::default());
        if !default.is_empty() && !self.is_switch {
            text.push_str(&format!(" [default: {default}]"));
        }
        text
    }
}

/// Adds an argument for each setting.
pub fn arguments<S: Default>(
    mut command: clap::Command,
    settings: &'static [Setting<S>],
) -> clap::Command {
    command = command.arg(
        clap::Arg::new("config")
            .long("config")
            .value_name("FILE")
            .env("SLUICE_CONFIG")
            .help("Read settings from a TOML file; its keys are the flags with _ for -"),
    );
    for setting in settings {
        let mut argument = clap::Arg::new(setting.name)
            .long(setting.flag())
            .value_name(setting.value_name)
            .env(setting.env())
            .help(setting.description());
        if setting.is_switch {
            argument = argument.num_args(0..=1).require_equals(true).default_missing_value("true");
        }
        command = command.arg(argument);
    }
    command
}

/// Reads the settings that `matches` (flags and environment) and the file it names give.
pub fn read<S: Default>(
    matches: &clap::ArgMatches,
    settings: &'static [Setting<S>],
) -> Result<S, SettingsError> {
    let mut result = S::default();
    if let Some(path) = matches.get_one::<String>("config") {
        file::apply(path.as_ref(), settings, &mut result)?;
    }
    for setting in settings {
        let Some(text) = matches.get_one::<String>(setting.name) else { continue };
        let from_env =
            matches.value_source(setting.name) == Some(clap::parser::ValueSource::EnvVariable);
        let place = if from_env { setting.env() } else { format!("--{}", setting.flag()) };
        (setting.set)(&mut result, text).map_err(|reason| SettingsError::Value {
            place,
            text: text.clone(),
            reason,
        })?;
    }
    Ok(result)
}

/// All settings as a file that would give them.
pub fn to_file<S: Default>(settings: &'static [Setting<S>], values: &S) -> String {
    let mut text = String::new();
    for setting in settings {
        for line in setting.help {
            text.push_str(&format!("#{line}\n"));
        }
        let value = (setting.show)(values);
        let commented = if value.is_empty() { "# " } else { "" };
        text.push_str(&format!("{commented}{} = {:?}\n\n", setting.name, value));
    }
    text
}

/// The reference of these settings, for `docs/settings.md`.
#[cfg(test)]
fn to_markdown<S: Default>(settings: &'static [Setting<S>]) -> String {
    let mut text = String::from("| Flag | Variable | Key in a file | Default | Meaning |\n");
    text.push_str("|---|---|---|---|---|\n");
    for setting in settings {
        let default = (setting.show)(&S::default());
        let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
        let help: Vec<&str> = setting.help.iter().map(|line| line.trim()).collect();
        text.push_str(&format!(
            "| `--{} {}` | `{}` | `{}` | {default} | {} |\n",
            setting.flag(),
            setting.value_name.replace('|', "\\|"),
            setting.env(),
            setting.name,
            help.join(" ").replace('|', "\\|"),
        ));
    }
    text
}

#[cfg(test)]
mod tests;
