//! How each role is played: the loops of the processes that send and receive, over rings, sockets and iceoryx2.

mod line_receiver;
mod line_sender;
mod receiving;
#[cfg(feature = "iceoryx2")]
mod rival;
mod sending;

use anyhow::{Context as _, Result};

use crate::peer::{SocketReceiver, SocketSender};
use crate::ring::{GatewayRing, PodRing, RingReceiver};
use crate::role::{Inbox, Kind, Role};

/// Plays a role to the end of stdin.
///
/// # Errors
/// What went wrong, for the log.
pub fn play(role: &Role) -> Result<()> {
    let inbox = Inbox::open();
    match role.kind {
        Kind::GatewayRing => sending::run(GatewayRing::create(role)?, &inbox, role),
        Kind::PodRing => sending::run(PodRing::create(role)?, &inbox, role),
        Kind::GatewayReader | Kind::PodReader | Kind::GatewaySleeper | Kind::PodSleeper => {
            receiving::run(RingReceiver::new(role), &inbox, role)
        }
        Kind::LineSender => line_sender::run(GatewayRing::create(role)?, &inbox, role),
        Kind::LineReceiver => line_receiver::run(&inbox, role),
        Kind::Holder => line_receiver::hold(&inbox, role),
        Kind::SocketSender => sending::run(SocketSender::new(role), &inbox, role),
        Kind::SocketReceiver => receiving::run(SocketReceiver::bind(role)?, &inbox, role),
        _ => play_rival(role, &inbox),
    }
    .with_context(|| format!("{:?} of {}", role.kind, role.meeting))
}

#[cfg(feature = "iceoryx2")]
use rival::play as play_rival;

#[cfg(not(feature = "iceoryx2"))]
fn play_rival(role: &Role, _: &Inbox) -> Result<()> {
    anyhow::bail!("{:?}: built without the feature iceoryx2", role.kind)
}
