//! One line of the list of flows.

use media::{FlowFormat, FlowId, Name};

use super::Blocking;
use super::wire::{DecodeError, Decoder, Encoder};
use crate::WakeMode;

/// Who produces a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowOrigin {
    /// The gateway itself.
    Gateway,
    /// A pod.
    Pod {
        /// Its user.
        uid: u32,
        /// Its process, where the kernel can say (not across PID namespaces).
        pid: Option<u32>,
    },
}

/// One line of the list of flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowEntry {
    /// Its name.
    pub name: Name,
    /// Its identifier.
    pub id: FlowId,
    /// What is in its grains.
    pub format: FlowFormat,
    /// Who produces it.
    pub origin: FlowOrigin,
    /// Slots of its ring.
    pub slots: u16,
    /// Consumers that it has.
    pub consumers: u16,
    /// Its set of memfds; none from a gateway of protocol version 1, which does not say.
    pub epoch: Option<u128>,
    /// Whether consumers may block its writer.
    pub blocking: Blocking,
    /// Who wakes its consumers.
    pub wake: WakeMode,
}

impl FlowEntry {
    /// `name, id, format, pod u8, uid u32, pid u32, slots u16, consumers u16`: 110 octets; from version 2 on also
    /// `epoch u128, blocking u8, wake u8`: 128 octets.
    pub(super) fn encode(&self, out: &mut Encoder) {
        out.name(Some(&self.name));
        out.flow(self.id);
        out.format(&self.format);
        let (pod, uid, pid) = match self.origin {
            FlowOrigin::Gateway => (0, 0, 0),
            FlowOrigin::Pod { uid, pid } => (1, uid, pid.unwrap_or(0)),
        };
        out.u8(pod);
        out.u32(uid);
        out.u32(pid);
        out.u16(self.slots);
        out.u16(self.consumers);
        if !out.is_first() {
            out.u128(self.epoch.unwrap_or(0));
            out.u8(u8::from(self.blocking == Blocking::Allowed));
            out.wake(self.wake);
        }
    }

    pub(super) fn decode(body: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let (name, id, format) = (body.named()?, body.flow()?, body.format()?);
        let (pod, uid, pid) = (body.flag("origin")?, body.u32("uid")?, body.u32("pid")?);
        let origin = match pod {
            true => FlowOrigin::Pod { uid, pid: Some(pid).filter(|pid| *pid != 0) },
            false if uid == 0 && pid == 0 => FlowOrigin::Gateway,
            false => return Err(DecodeError::Field("origin")),
        };
        let (slots, consumers) = (body.u16("slots")?, body.u16("consumers")?);
        let (epoch, blocking, wake) = if body.is_first() {
            (None, Blocking::Refused, WakeMode::None)
        } else {
            let epoch = Some(body.u128("epoch")?);
            let blocking = if body.flag("blocking")? { Blocking::Allowed } else { Blocking::Refused };
            (epoch, blocking, body.wake()?)
        };
        Ok(Self { name, id, format, origin, slots, consumers, epoch, blocking, wake })
    }
}
