//! The connection to the gateway.

use std::ffi::c_char;
use std::path::Path;

use media::Name;
use shm::{FlowEntry, FlowOrigin};

use crate::boundary::{Out, borrow, guard, take, text};
use crate::consumer::Consumer;
use crate::failure::Failure;
use crate::format::Format;
use crate::options::{ProduceOptions, SubscribeOptions};
use crate::producer::Producer;
use crate::status::Status;

/// A connection to a gateway's broker. Any number of threads may use it at once.
pub struct Session {
    inner: shm::Session,
}

/// Octets of a flow's name with the null octet that ends it.
pub const FLYPACK_NAME_OCTETS: usize = 65;

/// One flow of the gateway.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Flow {
    /// Its name.
    pub name: [c_char; FLYPACK_NAME_OCTETS],
    /// 1 if a pod produces it: its bytes are copied, never read in place. 0 for the gateway's own.
    pub is_pods: u8,
    /// Slots of its ring.
    pub slots: u16,
    /// Consumers that it has.
    pub consumers: u16,
    /// What is in its grains.
    pub format: Format,
}

impl Flow {
    fn of(entry: &FlowEntry) -> Self {
        let mut name = [0; FLYPACK_NAME_OCTETS];
        for (to, from) in name.iter_mut().zip(entry.name.as_str().bytes().take(FLYPACK_NAME_OCTETS - 1)) {
            *to = from as c_char;
        }
        let is_pods = u8::from(matches!(entry.origin, FlowOrigin::Pod { .. }));
        Self { name, is_pods, slots: entry.slots, consumers: entry.consumers, format: entry.format.into() }
    }
}

impl Session {
    pub(crate) const fn inner(&self) -> &shm::Session {
        &self.inner
    }
}

/// The release of this library, such as "0.1.0". Never null; valid for ever.
#[unsafe(no_mangle)]
pub extern "C" fn flypack_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Connects to the broker's socket at `path`, such as "/run/flypack/broker.sock".
///
/// # Safety
/// `path` is null or a text. `session` is null or points to where the new handle goes; the caller closes it with
/// flypack_session_close.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_connect(path: *const c_char, session: *mut *mut Session) -> Status {
    guard(|| {
        // SAFETY: null or as this function's own contract says.
        let (path, out) = unsafe { (text(path, "path")?, Out::new(session, "session")?) };
        let inner = shm::Session::connect(Path::new(path))?;
        out.set(Box::into_raw(Box::new(Session { inner })));
        Ok(())
    })
}

/// Closes the connection. Producers and consumers that came of it go on.
///
/// # Safety
/// `session` is null or from flypack_connect, not closed before, and no other thread is using it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_session_close(session: *mut Session) {
    // SAFETY: this function's own contract.
    unsafe { take(session) };
}

/// Lists the flows by name: as many as there are go to `count`, the first `capacity` of them to `flows`.
///
/// # Safety
/// `session` is from flypack_connect and open. `flows` has room for `capacity` of them; null if `capacity` is 0.
/// `count` is null or points to a size_t.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_session_flows(
    session: *const Session,
    flows: *mut Flow,
    capacity: usize,
    count: *mut usize,
) -> Status {
    guard(|| {
        // SAFETY: null or as this function's own contract says.
        let (session, count) = unsafe { (borrow(session, "session")?, Out::new(count, "count")?) };
        if flows.is_null() && capacity > 0 {
            return Err(Failure::null("flows"));
        }
        let entries = session.inner.flows()?;
        for (position, entry) in entries.iter().take(capacity).enumerate() {
            // SAFETY: below `capacity`, for which there is room.
            unsafe { flows.add(position).write(Flow::of(entry)) };
        }
        count.set(entries.len());
        Ok(())
    })
}

/// Produces a flow: makes its ring, and lets consumers in from now on.
///
/// # Safety
/// `session` is from flypack_connect and open. `name` is null or a text, `format` null or a format. `options` is null
/// or as long as its size says. `producer` is null or points to where the new handle goes; the caller closes it with
/// flypack_producer_close.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_produce(
    session: *const Session,
    name: *const c_char,
    format: *const Format,
    options: *const ProduceOptions,
    producer: *mut *mut Producer,
) -> Status {
    guard(|| {
        // SAFETY: null or as this function's own contract says.
        let (session, name, format) =
            unsafe { (borrow(session, "session")?, text(name, "name")?, borrow(format, "format")?) };
        // SAFETY: as above.
        let (options, out) = unsafe { (ProduceOptions::read(options)?, Out::new(producer, "producer")?) };
        let name: Name = name.parse()?;
        let made = session.inner.produce(&name, format.checked()?, options);
        let inner = made.map_err(|error| Failure::from(error).about(&name))?;
        out.set(Box::into_raw(Box::new(Producer::new(inner))));
        Ok(())
    })
}

/// Reads a flow. Waits until its writer has taken the consumer in.
///
/// # Safety
/// `session` is from flypack_connect and open. `name` is null or a text. `options` is null or as long as its size
/// says, and its `expect` null or a format. `consumer` is null or points to where the new handle goes; the caller closes it
/// with flypack_consumer_close.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flypack_subscribe(
    session: *const Session,
    name: *const c_char,
    options: *const SubscribeOptions,
    consumer: *mut *mut Consumer,
) -> Status {
    guard(|| {
        // SAFETY: null or as this function's own contract says.
        let (session, name) = unsafe { (borrow(session, "session")?, text(name, "name")?) };
        // SAFETY: as above.
        let (options, out) = unsafe { (SubscribeOptions::read(options)?, Out::new(consumer, "consumer")?) };
        let name: Name = name.parse()?;
        let taken_in = session.inner.subscribe_with(&name, options);
        let inner = taken_in.map_err(|error| Failure::from(error).about(&name))?;
        out.set(Box::into_raw(Box::new(Consumer::new(inner))));
        Ok(())
    })
}
