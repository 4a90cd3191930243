//! HTTP on TCP of the relay's port: the development certificate's hash, and a word for people
//! who open the address in a browser.

use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

/// What the web side knows of the relay.
#[derive(Clone, Debug)]
pub struct WebState {
    /// SHA-256 of the certificate, lower-case hexadecimal.
    pub certificate_sha256: String,
    /// Lines for people.
    pub greeting: String,
}

/// Serves until the runtime is dropped.
pub async fn serve(listener: TcpListener, state: WebState) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(listener, router(Arc::new(state))).await
}

fn router(state: Arc<WebState>) -> Router {
    let hash = state.clone();
    Router::new()
        .route(
            "/certificate.sha256",
            // Pages of any origin may read it: it is what they need to trust this relay.
            get(move || async move { text(hash.certificate_sha256.clone()) }),
        )
        .route("/", get(move || async move { text(state.greeting.clone()) }))
}

fn text(body: String) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, body)
}
