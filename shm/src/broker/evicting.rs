//! Evictions that the operator wants: the writer is asked, as it is for everything else.

use media::Name;

use super::flow::WriterSide;
use super::membership::Stage;
use super::state::State;
use crate::Mail;
use crate::protocol::{BrokerMessage, EncodeError, Version};

/// Why a consumer is not evicted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvictError {
    /// There is no such flow.
    #[error("there is no flow {flow}: list the flows for those there are")]
    NoSuchFlow {
        /// Asked for.
        flow: Name,
    },
    /// Nobody has this number.
    #[error("flow {flow} has no consumer {consumer}; it has: {consumers:?}")]
    NoSuchConsumer {
        /// The flow.
        flow: Name,
        /// Asked for.
        consumer: u8,
        /// The numbers there are.
        consumers: Vec<u8>,
    },
    /// It does not read: it has not been let in, was evicted before, or is gone.
    #[error("consumer {consumer} of flow {flow} does not read: it is evicted already, or on its way in or out")]
    NotReading {
        /// The flow.
        flow: Name,
        /// Asked for.
        consumer: u8,
    },
    /// The flow's writer does not take its mail, or its producer is gone.
    #[error("the writer of flow {flow} does not answer: see that its producer runs, then ask again")]
    WriterSilent {
        /// The flow.
        flow: Name,
    },
    /// The producer's SDK knows no such message.
    #[error("the producer of flow {flow} cannot be told: {source}")]
    OldProducer {
        /// The flow.
        flow: Name,
        /// What it does not know.
        source: EncodeError,
    },
}

impl State {
    /// Asks the flow's writer to evict a consumer. It shows as evicted once the writer has done so.
    pub(super) fn evict(&mut self, name: &Name, consumer: u8) -> Result<(), EvictError> {
        let flow = self.flows.named(name).ok_or_else(|| EvictError::NoSuchFlow { flow: name.clone() })?;
        let seat = flow.seats.get(usize::from(consumer)).copied().flatten();
        let Some(member) = seat.and_then(|id| self.memberships.get(&id)) else {
            let taken = flow.seats.iter().enumerate().filter(|(_, id)| id.is_some());
            let consumers = taken.map(|(seat, _)| seat as u8).collect();
            return Err(EvictError::NoSuchConsumer { flow: name.clone(), consumer, consumers });
        };
        if !matches!(member.stage, Stage::Live { .. }) {
            return Err(EvictError::NotReading { flow: name.clone(), consumer });
        }
        let silent = || EvictError::WriterSilent { flow: name.clone() };
        match &flow.writer {
            WriterSide::Gateway { mailbox, .. } => {
                mailbox.post(Mail::Evict { consumer, nonce: member.nonce }).map_err(|_| silent())
            }
            WriterSide::Pod { connection, .. } => {
                let connection = *connection;
                let version = self.connections.get(&connection).ok_or_else(silent)?.version();
                let message = BrokerMessage::Evict { join: member.join };
                if version < Version::V2 {
                    let source = EncodeError { what: "an eviction by the operator", speaks: version };
                    return Err(EvictError::OldProducer { flow: name.clone(), source });
                }
                if self.tell(connection, 0, &message, &[]) { Ok(()) } else { Err(silent()) }
            }
        }
    }
}
