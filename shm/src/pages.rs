//! Page sizes of data regions, and what to do when hugepages are missing.

use std::fmt;

use rustix::io::Errno;

/// The size of the pages that back a data region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pages {
    /// 2 MiB hugepages (hugetlb).
    Huge2M,
    /// The machine's ordinary pages.
    Plain,
}

/// Octets of one hugepage; slot strides of video are multiples of it whatever the pages are.
pub(crate) const HUGE_PAGE_OCTETS: u64 = 2 << 20;

/// Octets of one plain page, as control regions and lease pages are rounded to.
pub(crate) const PLAIN_PAGE_OCTETS: u64 = 4096;

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Huge2M => "2 MiB hugepages",
            Self::Plain => "plain pages",
        })
    }
}

/// Which pages a data region shall have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PagePolicy {
    /// Hugepages, else plain pages and a [`Fallback`] to report.
    #[default]
    Prefer,
    /// Hugepages or an error.
    HugeOnly,
    /// Plain pages.
    PlainOnly,
}

/// Hugepages were wanted and plain pages were taken. The gateway says so loudly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// Why the kernel gave no hugepages.
    pub reason: Errno,
    /// How many 2 MiB pages the region would have needed.
    pub pages_wanted: u64,
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, pages_wanted } = self;
        write!(
            f,
            "plain pages instead of {pages_wanted} hugepages of 2 MiB ({reason}): more TLB misses, and DMA needs \
             hugepages; raise vm.nr_hugepages by {pages_wanted}"
        )
    }
}
