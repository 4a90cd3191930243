//! HTTP on TCP of the relay's port: the pages for browsers, the development certificate's hash, a word
//! for people who ask in a terminal, and what the relay does now.

mod api;
mod ids;
mod listener;
mod pages;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::certificate::Shown;
use crate::settings::Audience;
use listener::Channel;

pub use api::Api;
pub use pages::Pages;

/// What the web side knows of the relay.
#[derive(Clone)]
pub struct WebState {
    pub certificate: Shown,
    pub is_development: bool,
    pub api: Api,
    pub pages: Pages,
    /// Who gets the pages, and who is told what the relay does.
    pub pages_for: Audience,
    pub api_for: Audience,
    /// Names of this machine besides localhost.
    pub hosts: Vec<String>,
    /// Lines for people who ask in a terminal, or do not get the pages.
    pub greeting: String,
}

/// Serves until the runtime is dropped.
pub async fn serve(listener: TcpListener, state: WebState) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let shown = state.certificate.clone();
    listener::serve(listener, router(Arc::new(state)), shown).await;
    Ok(())
}

type Web = State<Arc<WebState>>;
type Peer = ConnectInfo<SocketAddr>;

fn router(state: Arc<WebState>) -> Router {
    Router::new()
        // Pages of any origin may read it: it is what they need to trust this relay.
        .route(
            "/certificate.sha256",
            get(async |State(state): Web| text(state.certificate.sha256())),
        )
        .nest("/api/v1", api::routes(state.clone()))
        .fallback(page)
        .layer(axum::middleware::from_fn_with_state(state.clone(), securely))
        .with_state(state)
}

async fn page(
    State(state): Web,
    ConnectInfo(peer): Peer,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let name = uri.path().trim_start_matches('/');
    let wanted = !name.is_empty() || pages::wants_page(&headers);
    if wanted && state.serves(state.pages_for, peer, &headers) {
        state.pages.answer(name, &headers)
    } else if name.is_empty() {
        text(state.greeting.clone()).into_response()
    } else {
        StatusCode::NOT_FOUND.into_response()
    }
}

/// Leads to HTTPS who comes from elsewhere: there a browser has no camera, no WebCodecs and no
/// WebTransport without it. The hash is for those who do not trust the certificate yet.
async fn securely(
    State(state): Web,
    ConnectInfo(peer): Peer,
    request: Request,
    next: Next,
) -> Response {
    let channel = request.extensions().get::<Channel>().copied();
    let (headers, path) = (request.headers(), request.uri().path());
    let needs_none = matches!(path, "/certificate.sha256" | "/style.css" | "/icon.svg")
        || !state.serves(state.pages_for, peer, headers)
        || state.serves(Audience::ThisMachine, peer, headers)
        || headers.get("x-forwarded-proto").is_some_and(|by| by == "https");
    if channel != Some(Channel::Plain) || needs_none {
        return next.run(request).await;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let target = host.and_then(|host| format!("https://{host}{path}").parse::<Uri>().ok());
    let Some(target) = target else { return StatusCode::BAD_REQUEST.into_response() };
    if state.is_development && pages::wants_page(headers) {
        return pages::what_to_accept(&target.to_string());
    }
    let to = [(header::LOCATION, target.to_string())];
    (StatusCode::TEMPORARY_REDIRECT, to).into_response()
}

impl WebState {
    /// Whether what is for `audience` is for this peer. A page of another site may point a name of
    /// its own at this machine and have its visitors here ask for it, so the name counts as well.
    fn serves(&self, audience: Audience, peer: SocketAddr, headers: &HeaderMap) -> bool {
        match audience {
            Audience::Nobody => false,
            Audience::ThisMachine => {
                let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
                peer.ip().to_canonical().is_loopback() && host.is_some_and(|host| self.is_own(host))
            }
            Audience::Everyone => true,
        }
    }

    /// Whether a HTTP Host is this machine's.
    fn is_own(&self, host: &str) -> bool {
        let Ok(url) = format!("http://{host}/").parse::<Uri>() else { return false };
        let Some(name) = url.host() else { return false };
        let plain = name.trim_start_matches('[').trim_end_matches(']');
        crate::connection::is_loopback(plain)
            || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(plain))
    }
}

fn text(body: String) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, body)
}
