//! What may be asked for when a flow is produced or read. Zero is the default of everything.
//!
//! These structs may get members at their end: `size` tells how many a caller has. What it does not have is zero.

use std::ptr;

use shm::{Blocking, ConsumerClass, Start, WakeMode};

use crate::failure::Failure;
use crate::format::Format;

/// `consumer_class`: as FLYPACK_LEASED.
pub const FLYPACK_CLASS_DEFAULT: u32 = 0;
/// `consumer_class`: grains are held for the consumer while it keeps up.
pub const FLYPACK_LEASED: u32 = 1;
/// `consumer_class`: nothing is held; a copy may turn out torn.
pub const FLYPACK_LOSSY: u32 = 2;
/// `consumer_class`: grains are held, and the writer waits for the consumer. Where the producer allows it.
pub const FLYPACK_BLOCKING: u32 = 3;

/// `start`: at the next grain that is opened.
pub const FLYPACK_LIVE: u32 = 0;
/// `start`: at the oldest grain that can still be had.
pub const FLYPACK_OLDEST: u32 = 1;

/// `wake`: the library chooses.
pub const FLYPACK_WAKE_DEFAULT: u32 = 0;
/// `wake`: nobody; consumers look now and then.
pub const FLYPACK_WAKE_NONE: u32 = 1;
/// `wake`: the thread that publishes. The shortest way; a system call for each consumer that sleeps.
pub const FLYPACK_WAKE_INLINE: u32 = 2;
/// `wake`: a thread of the library, which polls while a consumer sleeps. Publishing makes no system call.
pub const FLYPACK_WAKE_HOUSEKEEPING: u32 = 3;

/// Grains that a leased consumer may hold where it does not say.
const K_DEFAULT: u16 = 2;

/// How a flow is produced. Null stands for a struct of zeros.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct ProduceOptions {
    /// sizeof(flypack_produce_options): a newer library knows by it which members are there. 0: that of flypack 0.1.
    pub size: u32,
    /// Slots of the ring; 0: the gateway's default.
    pub slots: u32,
    /// Grains that may be open at a time, 1 to 8; 0: 1.
    pub open_max: u32,
    /// FLYPACK_WAKE_DEFAULT, FLYPACK_WAKE_NONE, FLYPACK_WAKE_INLINE, FLYPACK_WAKE_HOUSEKEEPING.
    pub wake: u32,
    /// 1: consumers may hold the writer up (FLYPACK_BLOCKING). 0: they may not.
    pub blocking: u32,
}

/// How a flow is read. Null stands for a struct of zeros.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct SubscribeOptions {
    /// sizeof(flypack_subscribe_options): a newer library knows by it which members are there. 0: that of flypack 0.1.
    pub size: u32,
    /// FLYPACK_LEASED, FLYPACK_LOSSY, FLYPACK_BLOCKING.
    pub consumer_class: u32,
    /// Of FLYPACK_LEASED and FLYPACK_BLOCKING: grains that it may hold besides the one being written; 0: 2.
    pub grains_held: u32,
    /// FLYPACK_LIVE, FLYPACK_OLDEST.
    pub start: u32,
    /// Of FLYPACK_LEASED: how long it may sit on its oldest grain before it is evicted, ns; 0: without limit.
    pub deadline_ns: i64,
    /// The format that the flow must have; null takes any.
    pub expect: *const Format,
}

impl ProduceOptions {
    /// Octets of the struct in flypack 0.1.
    const FIRST_OCTETS: usize = 20;

    /// What is asked for.
    ///
    /// # Safety
    /// Null, or as many octets as its `size` says, or [`Self::FIRST_OCTETS`] if that is 0; nobody writes to them until
    /// the call is over.
    pub(crate) unsafe fn read(pointer: *const Self) -> Result<shm::ProduceOptions, Failure> {
        // SAFETY: this function's own contract; the members are numbers.
        let options = unsafe { known(pointer, Self::FIRST_OCTETS, Self::default()) }?;
        let slots = narrow(options.slots, "slots")?;
        let wake = match options.wake {
            FLYPACK_WAKE_DEFAULT => shm::ProduceOptions::default().wake,
            FLYPACK_WAKE_NONE => WakeMode::None,
            FLYPACK_WAKE_INLINE => WakeMode::Inline,
            FLYPACK_WAKE_HOUSEKEEPING => WakeMode::Housekeeping,
            other => return Err(Failure::invalid(format!("there is no wake {other}"))),
        };
        let blocking = match options.blocking {
            0 => Blocking::Refused,
            1 => Blocking::Allowed,
            other => return Err(Failure::invalid(format!("blocking is {other}: use 0 or 1"))),
        };
        let open_max = narrow(options.open_max, "open_max")?.max(1);
        Ok(shm::ProduceOptions { slots: (slots > 0).then_some(slots), open_max, wake, blocking })
    }
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self { size: 0, consumer_class: 0, grains_held: 0, start: 0, deadline_ns: 0, expect: ptr::null() }
    }
}

impl SubscribeOptions {
    /// Octets of the struct in flypack 0.1.
    const FIRST_OCTETS: usize = std::mem::offset_of!(Self, expect) + size_of::<*const Format>();

    /// What is asked for.
    ///
    /// # Safety
    /// Null, or as many octets as its `size` says, or [`Self::FIRST_OCTETS`] if that is 0; nobody writes to them until
    /// the call is over, nor to what `expect` points to, which is null or a format.
    pub(crate) unsafe fn read(pointer: *const Self) -> Result<shm::SubscribeOptions, Failure> {
        // SAFETY: this function's own contract; the members are numbers, and a pointer that is not followed there.
        let options = unsafe { known(pointer, Self::FIRST_OCTETS, Self::default()) }?;
        let held = narrow(options.grains_held, "grains_held")?;
        let class = match options.consumer_class {
            FLYPACK_CLASS_DEFAULT | FLYPACK_LEASED => {
                leased(if held == 0 { K_DEFAULT } else { held }, options.deadline_ns)
            }
            FLYPACK_LOSSY => ConsumerClass::Lossy,
            FLYPACK_BLOCKING => ConsumerClass::Blocking { k: if held == 0 { K_DEFAULT } else { held } },
            other => return Err(Failure::invalid(format!("there is no consumer_class {other}"))),
        };
        if options.deadline_ns < 0 {
            let said = options.deadline_ns;
            return Err(Failure::invalid(format!("deadline_ns is {said}: use a time above 0, or 0 for no limit")));
        }
        let start = match options.start {
            FLYPACK_LIVE => Start::Live,
            FLYPACK_OLDEST => Start::Oldest,
            other => return Err(Failure::invalid(format!("there is no start {other}"))),
        };
        // SAFETY: null, or a format by this function's own contract.
        let expect = unsafe { options.expect.as_ref() }.map(Format::checked).transpose()?;
        Ok(shm::SubscribeOptions { class, start, expect })
    }
}

const fn leased(k: u16, deadline_ns: i64) -> ConsumerClass {
    ConsumerClass::Leased { k, deadline_nanos: if deadline_ns == 0 { i64::MAX } else { deadline_ns } }
}

/// What the caller has of a struct that begins with its size; the rest is as in `zeros`. `first`: octets of its first
/// version.
///
/// # Safety
/// `pointer` is null, or for as many octets as the `u32` there says, `first` if that is 0, which nobody writes to
/// meanwhile. `T` is `repr(C)`, has only members that take any bits, and not fewer than `first` octets.
unsafe fn known<T>(pointer: *const T, first: usize, zeros: T) -> Result<T, Failure> {
    if pointer.is_null() {
        return Ok(zeros);
    }
    // SAFETY: each version begins with its size.
    let said = unsafe { pointer.cast::<u32>().read() };
    let octets = if said == 0 { first } else { said as usize };
    let ours = size_of::<T>();
    if !(first..=ours).contains(&octets) {
        let text = format!("options.size is {said}: this library knows {first} to {ours}, as its flypack.h has them");
        return Err(Failure::invalid(text));
    }
    let mut options = zeros;
    // SAFETY: the caller has so many octets there, and there is room for them; they do not overlap what is ours.
    unsafe { ptr::copy_nonoverlapping(pointer.cast::<u8>(), (&raw mut options).cast(), octets) };
    Ok(options)
}

pub(crate) fn narrow(value: u32, name: &str) -> Result<u16, Failure> {
    u16::try_from(value).map_err(|_| Failure::invalid(format!("{name} is {value}: 65535 is the most")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Options of a library to come, whose first version had two members.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    #[repr(C)]
    struct Grown {
        size: u32,
        first: u32,
        second: u32,
        third: u32,
    }

    fn read(octets: &[u32]) -> Result<Grown, Failure> {
        // SAFETY: no test says more than it has; numbers take any bits.
        unsafe { known(octets.as_ptr().cast(), 8, Grown::default()) }
    }

    #[test]
    fn callers_of_older_headers_are_understood_and_nothing_beyond_is_read() {
        // 77 and 88 lie behind what is said to be there.
        let first = Grown { size: 8, first: 5, ..Grown::default() };
        assert_eq!(read(&[8, 5, 77, 88]).unwrap(), first);
        assert_eq!(read(&[12, 5, 6, 88]).unwrap(), Grown { size: 12, second: 6, ..first });
        assert_eq!(read(&[16, 5, 6, 7]).unwrap(), Grown { size: 16, first: 5, second: 6, third: 7 });
        assert_eq!(read(&[0, 5, 77, 88]).unwrap(), Grown { size: 0, ..first }, "as long as the first version");
    }

    #[test]
    fn sizes_that_no_header_had_are_refused() {
        for size in [4, 7, 17, u32::MAX] {
            let text = read(&[size, 5, 6, 7]).unwrap_err().text;
            assert!(text.contains(&format!("{size}: this library knows 8 to 16")), "{text}");
        }
    }

    #[test]
    fn the_first_versions_stay_what_they_were() {
        assert_eq!((ProduceOptions::FIRST_OCTETS, SubscribeOptions::FIRST_OCTETS), (20, 32));
    }

    #[test]
    fn null_zeros_and_the_default_are_one() {
        // SAFETY: null, or ours.
        let read = |options| unsafe { SubscribeOptions::read(options) }.unwrap();
        assert_eq!(read(ptr::null()), read(ptr::from_ref(&SubscribeOptions::default())));
        assert_eq!(read(ptr::null()).class, ConsumerClass::Leased { k: 2, deadline_nanos: i64::MAX });
        // SAFETY: null, or ours.
        let read = |options| unsafe { ProduceOptions::read(options) }.unwrap();
        assert_eq!(read(ptr::null()), shm::ProduceOptions::default());
        assert_eq!(read(ptr::from_ref(&ProduceOptions::default())), shm::ProduceOptions::default());
    }
}
