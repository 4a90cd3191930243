//! The origins file: JSON as moq-go-server reads it, and what fleets need beside.
//!
//! `docs/origins.md` has the fields for people.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Map, Value};
use sluice_client::Target;
use sluice_core::Offer;
use sluice_proto::model::TrackNamespace;
use sluice_proto::transport::Carrier;
use sluice_proto::wire::Draft;

use crate::settings::{ServedDrafts, SettingValue};

/// Most entries; further ones are a mistake.
const ORIGINS_MAX: usize = 256;
/// Fields of an entry, for hints.
const FIELDS: &[&str] = &[
    "friendlyname",
    "guid",
    "tracknamespace",
    "tracknamespaceprefixes",
    "authinfo",
    "originaddress",
    "origincertpath",
    "drafts",
    "priority",
];

/// One origin, as its entry says.
#[derive(Clone, Debug)]
pub struct OriginSettings {
    pub place: EntryPlace,
    /// What the log calls it.
    pub name: String,
    pub guid: String,
    pub offers: Vec<Offer>,
    /// A secret, sent as a token.
    pub authinfo: Option<String>,
    pub target: Target,
    /// Trusted for this origin, beside the roots of the system.
    pub certificates: Vec<CertificateDer<'static>>,
    /// Offered to it, newest first.
    pub drafts: Vec<Draft>,
    pub priority: u8,
}

/// Where an entry stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryPlace {
    file: PathBuf,
    index: usize,
    name: String,
}

impl EntryPlace {
    /// Something is wrong with a field of it; no field is the whole entry.
    pub fn mistake(&self, field: &str, what: String) -> Mistake {
        let mut place = format!("origins[{}]", self.index);
        if !self.name.is_empty() {
            place.push_str(&format!(" {:?}", self.name));
        }
        if !field.is_empty() {
            place.push_str(&format!(", {field}"));
        }
        place.push_str(": ");
        Mistake { file: self.file.clone(), place, what }
    }
}

/// What is wrong, where, and what to do: one line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    file: PathBuf,
    /// The entry and its field.
    place: String,
    what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.file.display(), self.place, self.what)
    }
}

/// What a file gives: origins that can be used, and what is wrong with the others.
#[derive(Debug, Default)]
pub struct Reading {
    pub origins: Vec<OriginSettings>,
    pub mistakes: Vec<Mistake>,
}

impl Reading {
    /// Reads a file. Origins are offered those of `drafts` that their entry does not leave out.
    pub fn of(path: &Path, drafts: &[Draft]) -> Reading {
        let mut reading = Reading::default();
        match entries(path) {
            Ok(entries) => reading.read_entries(path, &entries, drafts),
            Err(what) => {
                reading.mistakes.push(Mistake { file: path.into(), place: String::new(), what });
            }
        }
        reading
    }

    fn read_entries(&mut self, path: &Path, entries: &[Value], drafts: &[Draft]) {
        let mut guids: BTreeMap<String, usize> = BTreeMap::new();
        for (index, entry) in entries.iter().enumerate() {
            let mut reader = EntryReader::new(path, index, entry);
            let origin = reader.read(drafts);
            if let Some(origin) = &origin
                && !origin.guid.is_empty()
                && let Some(first) = guids.insert(origin.guid.clone(), index)
            {
                let what = format!(
                    "`{}` is the guid of origins[{first}] too: give each entry its own",
                    origin.guid
                );
                reader.mistake("guid", what);
            }
            if index >= ORIGINS_MAX {
                reader.mistake("", format!("only {ORIGINS_MAX} origins are possible: remove some"));
            }
            let is_usable = reader.mistakes.is_empty();
            self.mistakes.append(&mut reader.mistakes);
            self.origins.extend(origin.filter(|_| is_usable));
        }
    }
}

/// The list in the file.
fn entries(path: &Path) -> Result<Vec<Value>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot be read ({error}): check the path after --origins"))?;
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| format!("is not valid JSON ({error}): correct it there"))?;
    let Value::Object(mut top) = value else {
        return Err("holds no object: begin with {\"origins\": [ ... ]}".to_owned());
    };
    let list = top.remove("origins");
    if let Some(unknown) = top.keys().next() {
        return Err(format!("unknown field `{unknown}`: remove it, `origins` is the only one"));
    }
    match list {
        Some(Value::Array(list)) => Ok(list),
        _ => Err("`origins` is no list: begin with {\"origins\": [ ... ]}".to_owned()),
    }
}

/// Reads one entry and notes what is wrong with it.
struct EntryReader<'a> {
    place: EntryPlace,
    fields: Option<&'a Map<String, Value>>,
    mistakes: Vec<Mistake>,
}

impl<'a> EntryReader<'a> {
    fn new(path: &Path, index: usize, entry: &'a Value) -> Self {
        let fields = entry.as_object();
        let name = fields.and_then(|fields| fields.get("friendlyname")).and_then(Value::as_str);
        let name = name.unwrap_or_default().to_owned();
        let place = EntryPlace { file: path.to_owned(), index, name };
        Self { place, fields, mistakes: Vec::new() }
    }

    fn mistake(&mut self, field: &str, what: String) {
        self.mistakes.push(self.place.mistake(field, what));
    }

    fn read(&mut self, drafts: &[Draft]) -> Option<OriginSettings> {
        let Some(fields) = self.fields else {
            self.mistake("", "is no object: write it in braces".to_owned());
            return None;
        };
        for field in fields.keys().filter(|field| !FIELDS.contains(&field.as_str())) {
            self.mistake(field, format!("unknown field{}", hint(field)));
        }
        let name = self.text("friendlyname");
        let guid = self.text("guid").unwrap_or_default();
        let authinfo = self.text("authinfo").filter(|text| !text.is_empty());
        let offers = self.offers();
        let target = self.target();
        let certificates = self.certificates();
        let drafts = self.drafts(drafts, target.as_ref());
        let priority = self.priority();
        let target = target?;
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| target.to_string());
        Some(OriginSettings {
            place: self.place.clone(),
            name,
            guid,
            offers,
            authinfo,
            target,
            certificates,
            drafts,
            priority,
        })
    }

    fn value(&self, field: &str) -> Option<&'a Value> {
        self.fields?.get(field).filter(|value| !value.is_null())
    }

    fn text(&mut self, field: &str) -> Option<String> {
        match self.value(field)? {
            Value::String(text) => Some(text.clone()),
            other => {
                self.mistake(field, format!("{other} is no text: write it in quotes"));
                None
            }
        }
    }

    fn offers(&mut self) -> Vec<Offer> {
        let mut offers = Vec::new();
        if let Some(text) = self.text("tracknamespace") {
            let offer = self.namespace("tracknamespace", &text).map(Offer::Exactly);
            offers.extend(offer);
        }
        let field = "tracknamespaceprefixes";
        match self.value(field) {
            None => {}
            Some(Value::Array(prefixes)) => {
                for prefix in prefixes {
                    let Some(text) = prefix.as_str() else {
                        self.mistake(field, format!("{prefix} is no text: write it in quotes"));
                        continue;
                    };
                    offers.extend(self.prefix(text).map(Offer::Under));
                }
            }
            Some(other) => {
                self.mistake(field, format!("{other} is no list: write [\"live\", ...]"));
            }
        }
        let said = self.value("tracknamespace").is_some() || self.value(field).is_some();
        if !said {
            let what = "is missing: say what this origin may be asked for, here or in \
                        tracknamespaceprefixes";
            self.mistake("tracknamespace", what.to_owned());
        }
        offers
    }

    /// Fields between slashes; nothing is everything.
    fn prefix(&mut self, text: &str) -> Option<TrackNamespace> {
        match TrackNamespace::from_path(text) {
            Ok(prefix) => Some(prefix),
            Err(error) => {
                self.mistake("tracknamespaceprefixes", format!("{error}: shorten it"));
                None
            }
        }
    }

    fn namespace(&mut self, field: &str, text: &str) -> Option<TrackNamespace> {
        let read = TrackNamespace::from_path(text);
        let what = match read {
            Ok(namespace) if !namespace.is_empty() => return Some(namespace),
            Ok(_) => "is empty: name a namespace, or use tracknamespaceprefixes".to_owned(),
            Err(error) => format!("{error}: shorten it"),
        };
        self.mistake(field, what);
        None
    }

    fn target(&mut self) -> Option<Target> {
        let field = "originaddress";
        if self.value(field).is_none() {
            let what = "is missing: write https://HOST:PORT/PATH or moqt://HOST:PORT/PATH";
            self.mistake(field, what.to_owned());
        }
        let text = self.text(field)?;
        match text.parse::<Target>() {
            Ok(target) => Some(target),
            Err(error) => {
                self.mistake(field, error.to_string());
                None
            }
        }
    }

    /// Relative to the file, as is an absolute path if there is such a file below it:
    /// moq-go-server looks nowhere else.
    fn certificates(&mut self) -> Vec<CertificateDer<'static>> {
        let field = "origincertpath";
        let Some(text) = self.text(field).filter(|text| !text.is_empty()) else {
            return Vec::new();
        };
        let folder = self.place.file.parent().unwrap_or(Path::new(""));
        let below = folder.join(text.trim_start_matches('/'));
        let file = if below.exists() { below } else { folder.join(&text) };
        let read =
            CertificateDer::pem_file_iter(&file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let what = match read {
            Ok(certificates) if !certificates.is_empty() => return certificates,
            Ok(_) => "holds no certificate: it has to be PEM".to_owned(),
            Err(error) => format!("cannot be read ({error}): it has to be a certificate in PEM"),
        };
        self.mistake(field, format!("{} {what}", file.display()));
        Vec::new()
    }

    /// What is offered. Draft 01 has only WebTransport.
    fn drafts(&mut self, spoken: &[Draft], target: Option<&Target>) -> Vec<Draft> {
        let field = "drafts";
        let is_raw = target.is_some_and(|target| target.carrier == Carrier::Quic);
        let carried = |draft: &&Draft| !is_raw || Draft::ALL.contains(draft);
        let spoken: Vec<Draft> = spoken.iter().filter(carried).copied().collect();
        // As --drafts has them: JSON knows no 01.
        let as_text = |value: &Value| match value.as_u64() {
            Some(number) => format!("{number:02}"),
            None => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        };
        let text = match self.value(field) {
            None => return spoken,
            Some(Value::Array(list)) => list.iter().map(as_text).collect::<Vec<_>>().join(","),
            Some(other) => as_text(other),
        };
        match ServedDrafts::parse(&text) {
            Ok(ServedDrafts(drafts)) => {
                let common: Vec<Draft> =
                    spoken.iter().copied().filter(|draft| drafts.contains(draft)).collect();
                if common.is_empty() {
                    self.mistake(
                        field,
                        format!("{text}: none of them is in --drafts, or can be had over moqt://"),
                    );
                }
                common
            }
            Err(wanted) => {
                self.mistake(field, format!("{text}: expected {wanted}"));
                Vec::new()
            }
        }
    }

    fn priority(&mut self) -> u8 {
        let Some(value) = self.value("priority") else { return 0 };
        let number = value.as_u64().and_then(|number| u8::try_from(number).ok());
        number.unwrap_or_else(|| {
            self.mistake("priority", format!("{value}: expected a whole number from 0 to 255"));
            0
        })
    }
}

/// The nearest known field, as a question.
fn hint(field: &str) -> String {
    let near = FIELDS
        .iter()
        .map(|known| (strsim::damerau_levenshtein(field, known), known))
        .filter(|(distance, _)| *distance <= 3)
        .min();
    match near {
        Some((_, known)) => format!(": did you mean `{known}`?"),
        None => format!(": remove it; there are {}", FIELDS.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The complaints about a file with this text, without its name.
    fn complaints(text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("origins.json");
        std::fs::write(&file, text).unwrap();
        std::fs::write(folder.path().join("no.pem"), "nothing").unwrap();
        let reading = Reading::of(&file, &Draft::SERVED);
        let prefix = format!("{}: ", file.display());
        let said = reading.mistakes.iter().map(Mistake::to_string);
        let path = format!("{}/", folder.path().display());
        said.map(|line| line.strip_prefix(&prefix).unwrap().replace(&path, "")).collect()
    }

    fn entry(fields: &str) -> String {
        format!(
            r#"{{"origins": [{{"friendlyname": "edge", "tracknamespace": "live",
               "originaddress": "https://localhost:4433/moq"{fields}}}]}}"#
        )
    }

    #[test]
    fn a_file_of_moq_go_server_is_read_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let made = sluice_net::dev_certificate::DevCertificate::generate(
            std::time::SystemTime::now(),
            &[],
        )
        .unwrap();
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(&made.certificate);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        std::fs::write(folder.path().join("my-cert.pem"), pem).unwrap();
        let file = folder.path().join("origins.json");
        std::fs::write(
            &file,
            r#"{ "origins": [ { "friendlyname": "test", "guid": "3ea8", "tracknamespace": "simplechat-relay",
                "authinfo": "my super secret", "originaddress": "https://localhost:4455/moq",
                "origincertpath": "./my-cert.pem" } ] }"#,
        )
        .unwrap();
        let reading = Reading::of(&file, &Draft::SERVED);
        assert_eq!(reading.mistakes, []);
        let origin = &reading.origins[0];
        assert_eq!((origin.name.as_str(), origin.guid.as_str()), ("test", "3ea8"));
        let namespace = TrackNamespace::from_path("simplechat-relay").unwrap();
        assert_eq!(origin.offers, [Offer::Exactly(namespace)]);
        assert_eq!(origin.authinfo.as_deref(), Some("my super secret"));
        assert_eq!(origin.target.to_string(), "https://localhost:4455/moq");
        assert_eq!(origin.certificates, [made.certificate]);
        assert_eq!((&origin.drafts[..], origin.priority), (&Draft::SERVED[..], 0));
    }

    #[test]
    fn what_fleets_need_stands_beside() {
        let [newest, next] = [Draft::ALL[0], Draft::ALL[1]];
        let text = format!(
            r#"{{"origins": [{{"tracknamespaceprefixes": ["live", "vod/films"],
                "originaddress": "moqt://[::1]/a", "drafts": [{next}, {newest}], "priority": 7}}]}}"#
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("origins.json");
        std::fs::write(&file, text).unwrap();
        let reading = Reading::of(&file, &Draft::SERVED);
        assert_eq!(reading.mistakes, []);
        let origin = &reading.origins[0];
        assert_eq!(origin.name, "moqt://[::1]/a");
        assert_eq!(origin.offers.len(), 2);
        assert_eq!((&origin.drafts[..], origin.priority), (&[newest, next][..], 7));
    }

    #[test]
    fn each_mistake_says_where_it_is_and_what_to_do() {
        for (fields, complaint) in [
            (r#", "guidd": "1""#, "guidd: unknown field: did you mean `guid`?"),
            (r#", "guid": 7"#, "guid: 7 is no text: write it in quotes"),
            (
                r#", "origincertpath": "none.pem""#,
                "origincertpath: none.pem cannot be read (I/O error: No such file or directory \
                 (os error 2)): it has to be a certificate in PEM",
            ),
            (
                r#", "origincertpath": "no.pem""#,
                "origincertpath: no.pem holds no certificate: it has to be PEM",
            ),
            (r#", "priority": 256"#, "priority: 256: expected a whole number from 0 to 255"),
            (
                r#", "tracknamespaceprefixes": "live""#,
                "tracknamespaceprefixes: \"live\" is no list: write [\"live\", ...]",
            ),
        ] {
            let found = complaints(&entry(fields));
            assert_eq!(found, [format!("origins[0] \"edge\", {complaint}")]);
        }
        assert_eq!(
            complaints(r#"{"origins": [{"originaddress": "http://host"}, 7]}"#),
            [
                "origins[0], tracknamespace: is missing: say what this origin may be asked for, \
                 here or in tracknamespaceprefixes",
                "origins[0], originaddress: `http://` is not supported: use https:// \
                 (WebTransport) or moqt:// (raw QUIC)",
                "origins[1]: is no object: write it in braces",
            ]
        );
    }

    #[test]
    fn a_file_that_is_none_says_so() {
        assert_eq!(
            complaints("{"),
            [
                "is not valid JSON (EOF while parsing an object at line 1 column 1): correct it there"
            ]
        );
        assert_eq!(
            complaints(r#"{"origin": []}"#),
            ["unknown field `origin`: remove it, `origins` is the only one"]
        );
        assert_eq!(complaints("[]"), ["holds no object: begin with {\"origins\": [ ... ]}"]);
        let reading = Reading::of(Path::new("/nowhere/origins.json"), &Draft::SERVED);
        assert_eq!(
            reading.mistakes[0].to_string(),
            "/nowhere/origins.json: cannot be read (No such file or directory (os error 2)): check \
             the path after --origins"
        );
    }

    #[test]
    fn two_entries_with_one_guid_are_one_mistake_and_the_first_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("origins.json");
        let entry = |name: &str| {
            format!(
                r#"{{"friendlyname": "{name}", "guid": "1", "tracknamespace": "live",
                    "originaddress": "moqt://localhost"}}"#
            )
        };
        let text = format!(r#"{{"origins": [{}, {}]}}"#, entry("one"), entry("two"));
        std::fs::write(&file, text).unwrap();
        let reading = Reading::of(&file, &Draft::SERVED);
        let names: Vec<&str> = reading.origins.iter().map(|origin| origin.name.as_str()).collect();
        assert_eq!(names, ["one"]);
        let complaint = "origins[1] \"two\", guid: `1` is the guid of origins[0] too: give each \
                         entry its own";
        assert_eq!(reading.mistakes[0].to_string(), format!("{}: {complaint}", file.display()));
    }
}
