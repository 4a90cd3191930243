//! HTTP and HTTPS on one TCP port: the first byte of a connection decides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::relay::certificate::Shown;

/// Connections at once. Reached: further ones wait until one is over.
const CONNECTIONS_MAX: usize = 512;
/// For the first byte, for the handshake, and for the head of a request; what takes longer is closed.
const PATIENCE: Duration = Duration::from_secs(20);
/// Wait after a connection could not be taken, as when there are no more file descriptors.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// Most of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// A TLS record with a handshake (RFC 8446 §5.1). No HTTP method begins so.
const TLS_HANDSHAKE: u8 = 0x16;

/// How a request came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Channel {
    Plain,
    Secure,
}

/// Serves until the runtime is dropped.
pub async fn serve(listener: TcpListener, router: Router, shown: Shown) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = room.clone().acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::debug!(%error, "a connection for HTTP was not taken");
                tokio::time::sleep(RETRY_AFTER).await;
                continue;
            }
        };
        let (router, shown) = (router.clone(), shown.clone());
        tokio::spawn(async move {
            connection(stream, peer, router, &shown).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, shown: &Shown) {
    let mut first = [0];
    let Ok(Ok(1)) = tokio::time::timeout(PATIENCE, stream.peek(&mut first)).await else { return };
    if first[0] != TLS_HANDSHAKE {
        return requests(stream, (peer, Channel::Plain), router).await;
    }
    let handshake = TlsAcceptor::from(shown.https()).accept(stream);
    match tokio::time::timeout(PATIENCE, handshake).await {
        Ok(Ok(stream)) => requests(stream, (peer, Channel::Secure), router).await,
        // A browser that does not know the development certificate breaks off here, each time.
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS for HTTP"),
        Err(_) => {}
    }
}

async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    (peer, channel): (SocketAddr, Channel),
    router: Router,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(channel);
        router.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%peer, %error, "a connection for HTTP ended");
    }
}
