//! The pages for browsers. They are part of the program, without comments and needless space; their
//! source is the folder `web`, or another while someone works on them.

use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Name, tag and contents of each file, made by the build script.
static EMBEDDED: &[(&str, &str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/pages.rs"));
/// Only what is served here is run or shown; sessions may go to other relays too.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: \
     data:; media-src 'self' blob:; connect-src 'self' https: http:; worker-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// Where pages come from.
#[derive(Clone, Debug)]
pub enum Pages {
    Embedded,
    Folder(PathBuf),
}

impl Pages {
    /// The file of this name; the first page for the empty one.
    pub fn answer(&self, name: &str, asked: &HeaderMap) -> Response {
        let name = if name.is_empty() { "index.html" } else { name };
        let Some(kind) = kind(name) else { return StatusCode::NOT_FOUND.into_response() };
        match self {
            Self::Embedded => match EMBEDDED.iter().find(|(known, ..)| *known == name) {
                Some((_, tag, bytes)) => tagged(kind, tag, bytes, asked),
                None => StatusCode::NOT_FOUND.into_response(),
            },
            Self::Folder(folder) => match read(folder, name) {
                Some(bytes) => file(kind, Body::from(bytes)),
                None => StatusCode::NOT_FOUND.into_response(),
            },
        }
    }
}

fn tagged(
    kind: &'static str,
    tag: &'static str,
    bytes: &'static [u8],
    asked: &HeaderMap,
) -> Response {
    let known = asked.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    let is_known = known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag));
    let mut response = file(kind, Body::from(if is_known { &[][..] } else { bytes }));
    response.headers_mut().insert(header::ETAG, HeaderValue::from_static(tag));
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    response
}

fn file(kind: &'static str, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Asked for again each time, and answered with a word as long as it is the same.
        (header::CACHE_CONTROL, "no-cache"),
        // The client in JavaScript is for the pages of others, too; the pages hold no secrets.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    (headers, body).into_response()
}

/// What a file is, by the end of its name; names with anything but letters, digits, `-` and `_`
/// before that are nobody's.
fn kind(name: &str) -> Option<&'static str> {
    let (stem, end) = name.rsplit_once('.')?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if stem.is_empty() || !stem.chars().all(is_plain) {
        return None;
    }
    match end {
        "html" => Some("text/html; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

fn read(folder: &Path, name: &str) -> Option<Vec<u8>> {
    std::fs::read(folder.join(name)).ok()
}

/// Says what a browser will ask about the development certificate, and leads on.
pub fn what_to_accept(target: &str) -> Response {
    let target = target.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;");
    let page = format!(
        r#"<!doctype html><html lang="en"><meta charset="utf-8"><title>Sluice</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/style.css">
<main class="stack"><section class="card"><h1>One step before you go on</h1>
<p>Camera, microphone and playback need a secure connection. This relay made its certificate itself, for
development, so the browser will warn that it does not know it. If this is your relay, choose
<strong>Advanced</strong> and then <strong>Proceed</strong> (Firefox: <strong>Accept the Risk and
Continue</strong>; Safari: <strong>Show Details</strong>, <strong>visit this website</strong>).</p>
<p><a class="button primary large" href="{target}">Go on securely</a></p>
<p class="quiet">With a certificate of your own (--tls-cert and --tls-key) there is nothing to accept.</p>
</section></main></html>"#
    );
    file("text/html; charset=utf-8", Body::from(page))
}

/// Whether who asks is a browser rather than a tool for the terminal.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All together, as they are served.
    const BYTES_MAX: usize = 150_000;

    #[test]
    fn pages_are_small_and_ask_nobody_else_for_anything() {
        let bytes: usize = EMBEDDED.iter().map(|(.., contents)| contents.len()).sum();
        assert!(bytes < BYTES_MAX, "the pages have {bytes} bytes");
        for (name, _, contents) in EMBEDDED {
            assert!(kind(name).is_some(), "{name} has a kind");
            let text = std::str::from_utf8(contents).expect("text");
            for foreign in ["src=\"http", "href=\"http", "from\"http", "url(", "style=\"", "eval("]
            {
                assert!(!text.contains(foreign), "{name} has {foreign}");
            }
        }
    }

    #[test]
    fn names_that_lead_out_of_the_folder_are_nobodys() {
        for name in ["../a.html", "a/b.js", "..", ".html", "a.b.js", "a.pem", "a%2e.js", "é.js"] {
            assert_eq!(kind(name), None, "{name}");
        }
        assert_eq!(kind("audio-worklet.js"), Some("text/javascript; charset=utf-8"));
    }
}
