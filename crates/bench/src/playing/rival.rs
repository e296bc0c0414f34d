//! The roles of iceoryx2.

use anyhow::{Result, bail};

use super::{receiving, sending};
use crate::peer::{IceoryxListener, IceoryxNotifier, IceoryxReceiver, IceoryxSender};
use crate::role::{Inbox, Kind, Role};

pub(super) fn play(role: &Role, inbox: &Inbox) -> Result<()> {
    match role.kind {
        Kind::IceoryxSender => sending::run(IceoryxSender::create(role)?, inbox, role),
        Kind::IceoryxReceiver => receiving::run(IceoryxReceiver::new(role)?, inbox, role),
        Kind::IceoryxNotifier => sending::run(IceoryxNotifier::create(role)?, inbox, role),
        Kind::IceoryxListener => receiving::run(IceoryxListener::new(role)?, inbox, role),
        other => bail!("{other:?} is no role of iceoryx2"),
    }
}
