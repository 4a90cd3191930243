//! HTTP on TCP of the relay's port: the pages for browsers, the development certificate's hash, a word
//! for people who ask in a terminal, and for this machine how the origins are.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::origins::status::OriginBoard;
use super::pages;

/// What the web side knows of the relay.
#[derive(Clone, Debug)]
pub struct WebState {
    /// SHA-256 of the certificate, lower-case hexadecimal.
    pub certificate_sha256: String,
    /// How the origins are.
    pub origins: OriginBoard,
    /// Lines for people.
    pub greeting: String,
}

/// Serves until the runtime is dropped.
pub async fn serve(listener: TcpListener, state: WebState) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let service = router(Arc::new(state)).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await
}

fn router(state: Arc<WebState>) -> Router {
    let (hash, origins) = (state.clone(), state.origins.clone());
    Router::new()
        .route(
            "/certificate.sha256",
            // Pages of any origin may read it: it is what they need to trust this relay.
            get(move || async move { text(hash.certificate_sha256.clone()) }),
        )
        .route(
            "/origins",
            get(move |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { status(peer, &origins) }),
        )
        .route(
            "/",
            get(move |headers: HeaderMap, uri: Uri| async move {
                match pages::wants_page(&headers) {
                    true => pages::page(uri).await,
                    false => text(state.greeting.clone()).into_response(),
                }
            }),
        )
        .fallback(pages::page)
}

/// How the origins are, for this machine alone.
fn status(peer: SocketAddr, origins: &OriginBoard) -> Response {
    if !peer.ip().to_canonical().is_loopback() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, origins.to_json(Instant::now())).into_response()
}

fn text(body: String) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, body)
}
