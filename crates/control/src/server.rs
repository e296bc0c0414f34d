//! The gRPC server: the service, reflection (v1 and v1alpha) and health on one listener.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::service::Routes;
use tonic::transport::Server;

use crate::archive_service::ArchiveService;
use crate::authority::UnixConnection;
use crate::listener::Socket;
use crate::service::FlypackService;
use crate::v1::{self, archive_server::ArchiveServer, flypack_server::FlypackServer};
use crate::{Controller, Dataplane, Listener};

/// The largest request, octets: an SDP of 64 KiB with room for the rest.
const MAX_REQUEST_OCTETS: usize = 256 * 1024;
/// How long calls may go on after shutdown has been asked for (a health watch never ends by itself).
const DRAIN: Duration = Duration::from_secs(1);
/// Streams of one connection at a time.
const MAX_STREAMS: u32 = 64;

/// Why serving ended early.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listener cannot be used by the runtime.
    #[error("the control socket cannot be used: {0}")]
    Listener(#[from] io::Error),
    /// The server failed.
    #[error("the control server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The API's own descriptors cannot be read.
    #[error("reflection cannot be offered: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves the API until `shutdown` ends, then lets calls end for a second at most. The socket file goes
/// with it. Runs on a tokio runtime with I/O and time.
///
/// # Errors
/// [`ServeError`], when it ends without having been asked to.
pub async fn serve<D: Dataplane>(
    controller: Arc<Controller<D>>,
    listener: Listener,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let routes = routes(controller).await?;
    let router = Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_routes(routes);
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        // An error is the sender dropped, which is a stop as well.
        let _ = stopped.await;
    };
    let (socket, _file) = listener.into_parts();
    let served = async move {
        match socket {
            Socket::Unix(socket) => {
                let incoming = UnixListenerStream::new(tokio::net::UnixListener::from_std(socket)?);
                let incoming = incoming.map(|accepted| accepted.map(UnixConnection::new));
                router.serve_with_incoming_shutdown(incoming, stopped).await?;
            }
            Socket::Tcp(socket) => {
                let incoming = TcpListenerStream::new(tokio::net::TcpListener::from_std(socket)?);
                router.serve_with_incoming_shutdown(incoming, stopped).await?;
            }
        }
        Ok(())
    };
    let drained = async {
        shutdown.await;
        let _ = stop.send(());
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = served => ended,
        () = drained => Ok(()),
    }
}

async fn routes<D: Dataplane>(controller: Arc<Controller<D>>) -> Result<Routes, ServeError> {
    let archive = ArchiveServer::new(ArchiveService::new(Arc::clone(&controller)));
    let archive = archive.max_decoding_message_size(MAX_REQUEST_OCTETS);
    let service = FlypackServer::new(FlypackService::new(controller)).max_decoding_message_size(MAX_REQUEST_OCTETS);
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<FlypackServer<FlypackService<D>>>().await;
    health.set_serving::<ArchiveServer<ArchiveService<D>>>().await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(Routes::new(service)
        .add_service(archive)
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?))
}
