//! The octets of a ring, beyond the writer's time.

use std::sync::Arc;

use crate::mapping::Mapping;

/// As long as it lives, the ring that it is of stays mapped for writing at its addresses. What lies there belongs to the
/// consumers once it is published.
#[derive(Clone, Debug)]
pub struct RingMemory(#[expect(dead_code, reason = "it is held, not looked at")] pub(super) Arc<Mapping>);
