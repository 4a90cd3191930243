//! Settings from a TOML file.

use std::path::{Path, PathBuf};

use toml::Value;

use super::Setting;

/// Why settings cannot be used. Each says where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {path}: {reason}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{path} is not valid TOML: {reason}", path = path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line and column.
        reason: String,
    },
    /// A key that no setting has.
    #[error("{path}: unknown key `{key}`{hint}", path = path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
        /// The nearest known key, as a question.
        hint: String,
    },
    /// A value that the setting does not take.
    #[error("{place} = {text:?}: expected {reason}")]
    Value {
        /// Flag, variable or key.
        place: String,
        /// What was given.
        text: String,
        /// What is wanted.
        reason: String,
    },
}

/// Sets what the file gives.
pub fn apply<S>(
    path: &Path,
    settings: &'static [Setting<S>],
    target: &mut S,
) -> Result<(), SettingsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|reason| SettingsError::Unreadable { path: path.to_owned(), reason })?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        SettingsError::Syntax { path: path.to_owned(), reason: error.to_string() }
    })?;
    for (key, value) in table {
        let Some(setting) = settings.iter().find(|setting| setting.name == key) else {
            let hint = nearest(&key, settings)
                .map(|name| format!(", did you mean `{name}`?"))
                .unwrap_or_default();
            return Err(SettingsError::UnknownKey { path: path.to_owned(), key, hint });
        };
        let text = as_text(&value);
        (setting.set)(target, &text).map_err(|reason| SettingsError::Value {
            place: format!("{}: {key}", path.display()),
            text,
            reason,
        })?;
    }
    Ok(())
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(as_text).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

fn nearest<S>(key: &str, settings: &'static [Setting<S>]) -> Option<&'static str> {
    settings
        .iter()
        .map(|setting| (strsim::damerau_levenshtein(key, setting.name), setting.name))
        .filter(|(distance, _)| *distance <= 3)
        .min()
        .map(|(_, name)| name)
}
