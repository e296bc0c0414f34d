//! Why a port cannot be present on its network.

use std::io;
use std::net::SocketAddr;

use media::Name;

/// Why a port cannot be present as asked. Each says what would work.
#[derive(Debug, thiserror::Error)]
pub enum PresenceError {
    /// The system gives no thread or no routing socket.
    #[error("cannot start the presence thread: {0}; it needs a thread and a netlink socket")]
    Start(#[source] io::Error),
    /// The thread has ended.
    #[error("the presence thread has ended; restart flypackd, and report what its log says")]
    Ended,
    /// A port of that name is there.
    #[error("port \"{0}\" is present already: detach it first")]
    Attached(Name),
    /// No such port.
    #[error("there is no port \"{asked}\"; there are: {present}")]
    NoPort {
        /// The name that was asked for.
        asked: Name,
        /// The names that there are.
        present: String,
    },
    /// The TAP's name is taken.
    #[error(
        "port \"{port}\": there is an interface {interface} already; remove it (`ip link del {interface}`) or give the \
         port another tap_name"
    )]
    InterfaceExists {
        /// The port.
        port: Name,
        /// The interface.
        interface: String,
    },
    /// The interface that shares the hardware is not there.
    #[error("port \"{port}\": there is no network interface {asked}; there are: {}", present.join(", "))]
    NoInterface {
        /// The port.
        port: Name,
        /// The interface of its exception path.
        asked: String,
        /// The interfaces that there are.
        present: Vec<String>,
    },
    /// The kernel refuses the TAP.
    #[error("port \"{port}\": cannot {what} the TAP {tap}: {cause}{}", remedy(cause))]
    Tap {
        /// The port.
        port: Name,
        /// Its TAP.
        tap: String,
        /// What was tried.
        what: String,
        /// What the kernel says.
        cause: io::Error,
    },
    /// The port's table of destinations is full.
    #[error(
        "port \"{port}\" listens to {} destinations already, and has no room for {destination}",
        netio::exchange::MEDIA_LIMIT
    )]
    Full {
        /// The port.
        port: Name,
        /// The destination that was asked for.
        destination: SocketAddr,
    },
    /// Nobody listens there.
    #[error("port \"{port}\" does not listen to {destination}")]
    NotListening {
        /// The port.
        port: Name,
        /// The destination.
        destination: SocketAddr,
    },
}

impl PresenceError {
    pub(super) fn tap(port: &Name, tap: &str, what: &str, cause: io::Error) -> Self {
        Self::Tap { port: port.clone(), tap: tap.to_owned(), what: what.to_owned(), cause }
    }
}

/// What would work, where the kernel's word tells.
fn remedy(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => "; give flypackd CAP_NET_ADMIN",
        io::ErrorKind::NotFound => "; load the module (`modprobe tun`) and let /dev/net/tun into the container",
        _ => "",
    }
}
