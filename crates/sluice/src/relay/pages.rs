//! The pages for browsers. They are part of the program, without comments and needless space; their
//! source is the folder `web`.

use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

/// Name and contents of each file, made by the build script.
const PAGES: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/pages.rs"));
/// Only what is served here is run or shown; sessions may go to other relays too.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: \
     data:; media-src 'self' blob:; connect-src 'self' https: http:; worker-src 'self'; base-uri \
     'none'; form-action 'none'; frame-ancestors 'none'";

/// The file that a path names; the first page for `/`.
pub async fn page(uri: Uri) -> Response {
    let name = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    let Some((_, contents)) = PAGES.iter().find(|(of, _)| *of == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "image/svg+xml",
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // A relay of another version may answer here tomorrow.
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, *contents).into_response()
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
        let bytes: usize = PAGES.iter().map(|(_, contents)| contents.len()).sum();
        assert!(bytes < BYTES_MAX, "the pages have {bytes} bytes");
        for (name, contents) in PAGES {
            let text = std::str::from_utf8(contents).expect("text");
            for foreign in ["src=\"http", "href=\"http", "from\"http", "url(", "style=\"", "eval("]
            {
                assert!(!text.contains(foreign), "{name} has {foreign}");
            }
        }
    }
}
