use std::io::Write;
use std::time::Duration;

use super::value::SettingValue;
use super::*;

fn settings_from(arguments: &[&str]) -> Result<RelaySettings, SettingsError> {
    let command = super::arguments(clap::Command::new("relay"), RelaySettings::SETTINGS);
    let matches = command.try_get_matches_from([&["relay"], arguments].concat()).unwrap();
    read(&matches, RelaySettings::SETTINGS)
}

fn file_with(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn reads_its_defaults_back<S: Default + PartialEq + std::fmt::Debug>(settings: &[Setting<S>]) {
    let defaults = S::default();
    let mut read_back = S::default();
    for setting in settings {
        (setting.set)(&mut read_back, &(setting.show)(&defaults)).unwrap_or_else(|error| {
            panic!("{}: {error}", setting.name);
        });
    }
    assert_eq!(defaults, read_back);
}

#[test]
fn every_default_is_read_back_from_its_own_text() {
    reads_its_defaults_back(RelaySettings::SETTINGS);
    reads_its_defaults_back(PublishSettings::SETTINGS);
    reads_its_defaults_back(SubscribeSettings::SETTINGS);
    reads_its_defaults_back(BenchSettings::SETTINGS);
}

#[test]
fn a_setting_named_like_a_word_of_the_language_has_its_plain_name() {
    let file = file_with("loop = true\nnamespace = \"live/film\"\n");
    let command = super::arguments(clap::Command::new("publish"), PublishSettings::SETTINGS);
    let arguments = ["publish", "--config", file.path().to_str().unwrap()];
    let matches = command.try_get_matches_from(arguments).unwrap();
    let settings = read(&matches, PublishSettings::SETTINGS).unwrap();
    assert!(settings.r#loop);
    assert_eq!(settings.namespace, "live/film");
}

#[test]
fn a_flag_wins_over_the_file() {
    let file = file_with("drain = \"9s\"\nscoped = true\n");
    let path = file.path().to_str().unwrap();
    let settings = settings_from(&["--config", path, "--drain", "2s"]).unwrap();
    assert_eq!(settings.drain, Duration::from_secs(2));
    assert!(settings.scoped);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    let file = file_with("listn = \"[::]:1\"\n");
    let error = settings_from(&["--config", file.path().to_str().unwrap()]).unwrap_err();
    assert!(error.to_string().ends_with("unknown key `listn`, did you mean `listen`?"), "{error}");
}

#[test]
fn a_value_of_the_wrong_kind_says_what_is_wanted() {
    let error = settings_from(&["--drain", "soon"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "--drain = \"soon\": expected a duration such as 500ms, 5s or 2m"
    );
}

#[test]
fn the_printed_file_gives_the_same_settings() {
    let settings = settings_from(&["--scoped", "--drain", "90s"]).unwrap();
    let file = file_with(&to_file(RelaySettings::SETTINGS, &settings));
    assert_eq!(settings_from(&["--config", file.path().to_str().unwrap()]).unwrap(), settings);
}

#[test]
fn sizes_and_durations_take_units() {
    assert_eq!(ByteSize::parse("4MiB"), Ok(ByteSize(4 << 20)));
    assert_eq!(ByteSize::parse("2g"), Ok(ByteSize(2 << 30)));
    assert_eq!(ByteSize(3 << 10).show(), "3KiB");
    assert_eq!(Duration::parse("1.5s"), Ok(Duration::from_millis(1500)));
    assert!(ByteSize::parse("99999999999999GiB").is_err());
    assert!(Duration::parse("-1s").is_err());
}

#[test]
fn the_reference_of_settings_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
    let text = format!(
        "# Settings of the relay\n\n\
         `sluice relay` takes each setting as a flag, an environment variable or a key of the TOML \
         file\nthat `--config FILE` names, in this order of precedence. `sluice relay \
         --print-config` prints the\nsettings in force as such a file. An unknown key or a wrong \
         value is an error that says what is\nexpected.\n\n\
         Sizes are bytes, or take `KiB`, `MiB` or `GiB`. Durations take `ms`, `s`, `m`, `h` or \
         `d`. Lists have\ncommas. What happens when a limit is reached is in \
         [limits.md](limits.md).\n\n{}\n\
         ## `sluice publish`\n\n{}\n\
         ## `sluice subscribe`\n\n{}\n\
         ## `sluice bench`\n\n{}",
        to_markdown(RelaySettings::SETTINGS),
        to_markdown(PublishSettings::SETTINGS),
        to_markdown(SubscribeSettings::SETTINGS),
        to_markdown(BenchSettings::SETTINGS),
    );
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == text, "docs/settings.md is not current; UPDATE_DOCS=1 writes it");
}
