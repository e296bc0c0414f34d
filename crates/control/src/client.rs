//! The client side: the generated client, connected to an [`Endpoint`].

use std::error::Error as _;
use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Uri};

use crate::{Endpoint, EndpointError};

pub use crate::v1::archive_client::ArchiveClient;
pub use crate::v1::flypack_client::FlypackClient;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why no gateway can be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The text is no endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Nobody is there.
    #[error(
        "no gateway answers at {endpoint} ({cause}); start it with `flypackd --config flypackd.toml` or \
         `systemctl start flypackd`, or say where it listens"
    )]
    NotRunning {
        /// Where it was looked for.
        endpoint: Endpoint,
        /// What the system said.
        cause: io::Error,
    },
    /// The socket's mode keeps this user out.
    #[error("this user may not connect to {endpoint}; join the group that owns the socket, or ask its operator")]
    Permission {
        /// Where the gateway is.
        endpoint: Endpoint,
    },
    /// Something else went wrong.
    #[error("cannot speak gRPC with {endpoint}: {cause}; is it a gateway's control endpoint?")]
    Transport {
        /// Where it was tried.
        endpoint: Endpoint,
        /// What went wrong.
        cause: tonic::transport::Error,
    },
}

/// Connects to the gateway at `endpoint`. Runs on a tokio runtime with I/O and time.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(endpoint: &Endpoint) -> Result<FlypackClient<Channel>, ConnectError> {
    channel(endpoint).await.map(FlypackClient::new)
}

/// A connection to the gateway at `endpoint`, for clients of all its services; clones share it.
///
/// # Errors
/// [`ConnectError`].
pub async fn channel(endpoint: &Endpoint) -> Result<Channel, ConnectError> {
    let connected = match endpoint {
        Endpoint::Unix(path) => {
            let path = path.clone();
            let dial = tower::service_fn(move |_: Uri| {
                let path = path.clone();
                async move { UnixStream::connect(path).await.map(TokioIo::new) }
            });
            // The authority is not used: the connector goes to the socket.
            let target = Channel::from_static("http://flypack.invalid").connect_timeout(CONNECT_TIMEOUT);
            target.connect_with_connector(dial).await
        }
        Endpoint::Http(authority) => match Channel::from_shared(format!("http://{authority}")) {
            Ok(target) => target.connect_timeout(CONNECT_TIMEOUT).connect().await,
            Err(_) => return Err(EndpointError(endpoint.to_string()).into()),
        },
    };
    connected.map_err(|cause| refusal(endpoint, cause))
}

fn refusal(endpoint: &Endpoint, cause: tonic::transport::Error) -> ConnectError {
    let endpoint = endpoint.clone();
    match io_kind(&cause) {
        Some(io::ErrorKind::PermissionDenied) => ConnectError::Permission { endpoint },
        Some(
            kind @ (io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable),
        ) => ConnectError::NotRunning { endpoint, cause: kind.into() },
        _ => ConnectError::Transport { endpoint, cause },
    }
}

/// The kind of the I/O error at the bottom of `error`, if there is one.
fn io_kind(error: &tonic::transport::Error) -> Option<io::ErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}
