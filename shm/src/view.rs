//! A data region as this process reads it: one mapping, and what keeps devices able to reach it.
//!
//! The broker makes one view of each region and shares it with every reader in its process, so the address of a
//! [`crate::GrainLease`] lies in the very memory that was mapped for DMA. Removal is ordered by types: what holds the
//! view (readers, and through them their leases) → the [`DmaMapping`] → the mapping.

use std::fmt;
use std::sync::Arc;

use crate::mapping::{Access, Mapping};
use crate::pages::Pages;
use crate::region::{PlacementHooks, RegionError};

/// A region that devices reach, as long as the value lives. Dropping it unmaps the region from every device and
/// unregisters it: slow, on a thread of the broker's, while the memory is still mapped.
pub trait DmaMapping: fmt::Debug + Send + Sync {}

/// The shared view of one data region.
#[derive(Clone, Debug)]
pub struct DataView(Arc<Viewed>);

#[derive(Debug)]
struct Viewed {
    /// Before `mapping`, for fields drop in this order: no device may be left when the pages go.
    dma: Option<Box<dyn DmaMapping>>,
    mapping: Mapping,
}

impl DataView {
    /// Step 4 of a region's creation: `mapping` is writable while the hook maps it for DMA, and read-only afterwards.
    pub(crate) fn place(mapping: Mapping, pages: Pages, hooks: &dyn PlacementHooks) -> Result<Self, RegionError> {
        let dma = hooks.map_for_dma(&mapping, pages).map_err(RegionError::Placement)?;
        let mut viewed = Viewed { dma, mapping };
        viewed.mapping.protect(Access::ReadOnly)?;
        Ok(Self(Arc::new(viewed)))
    }

    /// Whether devices reach the region at the view's addresses.
    #[must_use]
    pub fn is_mapped_for_dma(&self) -> bool {
        self.0.dma.is_some()
    }

    pub(crate) fn mapping(&self) -> &Mapping {
        &self.0.mapping
    }

    /// Whether nobody else holds the view; then nobody ever will again but by cloning this one.
    pub(crate) fn is_last(&mut self) -> bool {
        Arc::get_mut(&mut self.0).is_some()
    }
}

/// A view of this reader's own, which no device reaches: what a pod has.
impl From<Mapping> for DataView {
    fn from(mapping: Mapping) -> Self {
        Self(Arc::new(Viewed { dma: None, mapping }))
    }
}
