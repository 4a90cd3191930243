//! Which tracks of a catalog are taken.

use anyhow::{Result, bail};
use sluice_media::catalog::{Catalog, CatalogTrack, Packaging, Role};

use crate::settings::SubscribeSettings;

/// Tracks of a catalog, all packaged alike.
pub struct Selection {
    catalog: Catalog,
    picked: Vec<CatalogTrack>,
}

impl Selection {
    /// What the settings ask for: named tracks, else those of the kinds asked for, else all.
    pub fn new(settings: &SubscribeSettings, catalog: Catalog) -> Result<Self> {
        let listed = || -> String {
            let names: Vec<&str> = catalog.tracks.iter().map(|track| &*track.name).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let mut picked = Vec::new();
        for name in &settings.track {
            match catalog.tracks.iter().find(|track| track.name == *name) {
                Some(track) => picked.push(track.clone()),
                None => bail!("the catalog has no track {name}; it lists {}", listed()),
            }
        }
        if settings.track.is_empty() {
            let all = settings.video == settings.audio;
            let wanted = catalog.tracks.iter().filter(|track| match &track.role {
                Some(Role::Video) => all || settings.video,
                Some(Role::Audio) => all || settings.audio,
                // Without a role, a size or a sampling rate tells.
                None if track.width.is_some() => all || settings.video,
                None if track.samplerate.is_some() => all || settings.audio,
                _ => false,
            });
            picked.extend(wanted.cloned());
        }
        let Some(first) = picked.first() else {
            bail!("the catalog lists no track of the kind wanted; it lists {}", listed());
        };
        if let Some(other) = picked.iter().find(|track| track.packaging != first.packaging) {
            bail!(
                "tracks {} and {} are packaged differently and cannot be one file: choose with \
                 --track",
                first.name,
                other.name
            );
        }
        Ok(Self { catalog, picked })
    }

    /// The catalog they are of.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The tracks, in the order of the file.
    pub fn tracks(&self) -> &[CatalogTrack] {
        &self.picked
    }

    /// How they are packaged.
    pub fn packaging(&self) -> &Packaging {
        &self.picked[0].packaging
    }

    /// The tracks, for people.
    pub fn describe(&self) -> String {
        let names: Vec<String> = self
            .picked
            .iter()
            .map(|track| format!("{} ({})", track.name, track.codec.as_deref().unwrap_or("?")))
            .collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let mut catalog = Catalog::new();
        for (name, role) in [("video0", Role::Video), ("audio0", Role::Audio)] {
            let mut track = CatalogTrack::new(name, Packaging::Cmaf);
            track.role = Some(role);
            catalog.push(track, None);
        }
        catalog.push(CatalogTrack::new("log", Packaging::Other("moqlog".to_owned())), None);
        catalog
    }

    fn picked(settings: &SubscribeSettings) -> Result<Vec<String>> {
        let selection = Selection::new(settings, catalog())?;
        Ok(selection.tracks().iter().map(|track| track.name.clone()).collect())
    }

    #[test]
    fn all_media_tracks_are_taken_unless_a_kind_or_a_name_is_given() {
        let mut settings = SubscribeSettings::default();
        assert_eq!(picked(&settings).unwrap(), ["video0", "audio0"]);
        settings.audio = true;
        assert_eq!(picked(&settings).unwrap(), ["audio0"]);
        settings.track = vec!["video0".to_owned()];
        assert_eq!(picked(&settings).unwrap(), ["video0"]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_exist() {
        let settings =
            SubscribeSettings { track: vec!["video9".to_owned()], ..SubscribeSettings::default() };
        let error = picked(&settings).unwrap_err().to_string();
        assert_eq!(error, "the catalog has no track video9; it lists video0, audio0, log");
    }
}
