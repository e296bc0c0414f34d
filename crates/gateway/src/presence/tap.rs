//! A TAP: the kernel's view of a port, with the port's MAC address, addresses and routes.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netio::kernel::interface;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use super::PresenceError;
use super::kernel::{Index, Kernel};
use super::port_presence::PortPresence;

/// One open TAP. It goes when this drops.
pub(super) struct Tap {
    device: SyncDevice,
    index: Index,
}

impl Tap {
    /// Makes the TAP of a port in this thread's network namespace: MAC, MTU, addresses, up, routes.
    pub(super) fn open(name: &str, port: &PortPresence, kernel: &mut Kernel) -> Result<Self, PresenceError> {
        let refused = |what: &str, cause: io::Error| PresenceError::tap(&port.name, name, what, cause);
        if interface::index(name).is_some() {
            return Err(PresenceError::InterfaceExists { port: port.name.clone(), interface: name.to_owned() });
        }
        let builder = DeviceBuilder::new().name(name).layer(Layer::L2).mac_addr(port.mac).mtu(port.mtu).enable(false);
        let device = builder.build_sync().map_err(|cause| refused("open", cause))?;
        device.set_nonblocking(true).map_err(|cause| refused("set up", cause))?;
        let index = device.if_index().ok().and_then(Index::new);
        let index = index.ok_or_else(|| refused("find", io::ErrorKind::NotFound.into()))?;
        for own in port.network.addresses() {
            kernel
                .add_address(index, own.address, own.prefix)
                .map_err(|cause| refused(&format!("give {own} to"), cause))?;
        }
        device.enabled(true).map_err(|cause| refused("switch on", cause))?;
        for gateway in port.gateways.iter().copied() {
            kernel
                .add_default_route(index, gateway)
                .map_err(|cause| refused(&format!("route by way of {gateway} on"), cause))?;
        }
        Ok(Self { device, index })
    }

    /// Its number in this network namespace.
    pub(super) fn index(&self) -> Index {
        self.index
    }

    /// The next frame of the kernel into `frame`; its octets, or none when there is no frame now.
    pub(super) fn read(&self, frame: &mut [u8]) -> io::Result<Option<usize>> {
        would_block(self.device.recv(frame))
    }

    /// Gives the kernel a frame in pieces. None: it has no room now.
    pub(super) fn write(&self, pieces: [&[u8]; 2]) -> io::Result<Option<usize>> {
        would_block(self.device.send_vectored(&pieces.map(io::IoSlice::new)))
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

/// Whether the TAP itself is gone (`ip link del`), rather than one frame refused.
pub(super) fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::BADFD.raw_os_error())
}

fn would_block(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(octets) => Ok(Some(octets)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
