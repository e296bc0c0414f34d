//! What may be asked for when a flow is produced or read. Zero is the default of everything.

use shm::{Blocking, ConsumerClass, Start, WakeMode};

use crate::boundary::borrow;
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
    /// sizeof(flypack_produce_options); 0 for null and for zeros. It tells which members the caller knows.
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
    /// sizeof(flypack_subscribe_options); 0 for null and for zeros. It tells which members the caller knows.
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
    /// What is asked for.
    ///
    /// # Safety
    /// Null, or a struct that nobody writes to until the call is over.
    pub(crate) unsafe fn read(pointer: *const Self) -> Result<shm::ProduceOptions, Failure> {
        if pointer.is_null() {
            return Ok(shm::ProduceOptions::default());
        }
        // SAFETY: not null; the rest is this function's own contract.
        let options = unsafe { borrow(pointer, "options") }?;
        check_size(options.size, size_of::<Self>())?;
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

impl SubscribeOptions {
    /// What is asked for.
    ///
    /// # Safety
    /// Null, or a struct that nobody writes to until the call is over, and so is what `expect` points to.
    pub(crate) unsafe fn read(pointer: *const Self) -> Result<shm::SubscribeOptions, Failure> {
        if pointer.is_null() {
            return Ok(leased(K_DEFAULT, 0).into());
        }
        // SAFETY: not null; the rest is this function's own contract.
        let options = unsafe { borrow(pointer, "options") }?;
        check_size(options.size, size_of::<Self>())?;
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

/// Of another size is a struct of another version of the header.
fn check_size(size: u32, ours: usize) -> Result<(), Failure> {
    if size == 0 || size as usize == ours {
        return Ok(());
    }
    Err(Failure::invalid(format!(
        "options.size is {size} where {ours} is right: include the flypack.h of this library"
    )))
}

pub(crate) fn narrow(value: u32, name: &str) -> Result<u16, Failure> {
    u16::try_from(value).map_err(|_| Failure::invalid(format!("{name} is {value}: 65535 is the most")))
}
