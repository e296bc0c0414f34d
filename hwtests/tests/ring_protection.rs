//! The protection table of a ring: what can be done with every descriptor that is about, by every kind of user. A
//! consumer has read-only descriptors of A and B; a producer keeps its read-write ones after the seal; root makes a
//! read-write one out of either. No way leads to a new way to write, to a shorter file or to a hole.
//!
//! Each line of a table is an attempt and what the kernel says to it. The same attempts on a memfd without seals
//! succeed, so each of them is one that could.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use hwtests::{Actor, Actors, Sysctl, actor, take_turn};
use media::{Depth, FlowId, Name, Rate, Sampling, VideoFormat};
use rustix::fs::{AtFlags, CWD, FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags, memfd_create};
use rustix::io::Errno;
use rustix::pipe::SpliceFlags;
use shm::{Access, Geometry, IdentityPlacement, MapError, Mapping, PagePolicy, Pages, Region, RegionFds};

/// Nobody in particular, and not the owner.
const STRANGER: u32 = 65_534;

/// What the kernel said to an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Said(Result<(), Errno>);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(()) => f.write_str("ok"),
            Err(errno) => f.write_str(
                [
                    (Errno::ACCESS, "EACCES"),
                    (Errno::PERM, "EPERM"),
                    (Errno::INVAL, "EINVAL"),
                    (Errno::BADF, "EBADF"),
                    (Errno::XDEV, "EXDEV"),
                    (Errno::NOTDIR, "ENOTDIR"),
                    (Errno::NOENT, "ENOENT"),
                    (Errno::OPNOTSUPP, "EOPNOTSUPP"),
                ]
                .into_iter()
                .find_map(|(known, name)| (known == errno).then_some(name))
                .unwrap_or("another error"),
            ),
        }
    }
}

/// An attempt and what was said to it, a line each.
type Table = Vec<String>;

fn map(fd: BorrowedFd<'_>, octets: u64, access: Access) -> Result<Mapping, Errno> {
    kernel(Mapping::map(fd, octets, access))
}

fn kernel<T>(said: Result<T, MapError>) -> Result<T, Errno> {
    said.map_err(|error| match error {
        MapError::Kernel(errno) => errno,
        other => panic!("{other}"),
    })
}

/// A pipe with something in it, moved into the file without a copy.
fn splice(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    let (read, write) = rustix::pipe::pipe()?;
    rustix::io::write(&write, &[7; 64])?;
    rustix::pipe::splice(&read, None, fd, Some(&mut 0), 64, SpliceFlags::empty()).map(drop)
}

fn open(path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::RUSR)
}

fn own_path(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// A name for the file in a folder.
fn link(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    let name = std::env::temp_dir().join(format!("flypack-link-{}", std::process::id()));
    let linked = rustix::fs::linkat(CWD, own_path(fd).as_str(), CWD, &name, AtFlags::SYMLINK_FOLLOW);
    let _ = std::fs::remove_file(name);
    linked
}

/// Everything that can be tried on one descriptor. Where it succeeds the file is another one afterwards: the worst
/// comes last.
fn table(fd: BorrowedFd<'_>) -> Table {
    let octets = u64::try_from(rustix::fs::fstat(fd).unwrap().st_size).unwrap();
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let path = own_path(fd);
    let attempts = [
        ("map read-write", map(fd, octets, Access::ReadWrite).map(drop)),
        (
            "map read-only, then mprotect",
            map(fd, octets, Access::ReadOnly).and_then(|mut mapping| kernel(mapping.protect(Access::ReadWrite))),
        ),
        ("write", rustix::io::pwrite(fd, &[1; 64], 0).map(drop)),
        ("splice", splice(fd)),
        ("give it a name", link(fd)),
        ("open as a folder for O_TMPFILE", open(&path, OFlags::RDWR | OFlags::TMPFILE).map(drop)),
        ("punch a hole", rustix::fs::fallocate(fd, punch, 0, octets)),
        ("allocate beyond the end", rustix::fs::fallocate(fd, FallocateFlags::empty(), octets, octets)),
        ("truncate to more", rustix::fs::ftruncate(fd, 2 * octets)),
        ("truncate to nothing", rustix::fs::ftruncate(fd, 0)),
        ("open again with O_TRUNC", open(&path, OFlags::RDWR | OFlags::TRUNC).map(drop)),
        ("seal further", rustix::fs::fcntl_add_seals(fd, SealFlags::WRITE)),
    ];
    lines(attempts.map(|(attempt, said)| (attempt, Said(said).to_string())))
}

fn lines<const N: usize>(rows: [(&str, String); N]) -> Table {
    rows.into_iter().map(|(attempt, said)| format!("{attempt}: {said}")).collect()
}

/// What is said to all of that once a ring is sealed; `truncating` is what opening it with O_TRUNC gives, which the
/// mode of the file decides before the seals do.
fn refused(pages: Pages, access: Access, truncating: &str) -> Table {
    // hugetlbfs has no write at all.
    let sealed_write = if pages == Pages::Huge2M { "EINVAL" } else { "EPERM" };
    let (map, write, change, truncate) = match access {
        Access::ReadOnly => ("EACCES", "EBADF", "EBADF", "EINVAL"),
        Access::ReadWrite => ("EPERM", sealed_write, "EPERM", "EPERM"),
    };
    lines(
        [
            ("map read-write", map),
            ("map read-only, then mprotect", "EACCES"),
            ("write", write),
            ("splice", write),
            ("give it a name", "EXDEV"),
            ("open as a folder for O_TMPFILE", "ENOTDIR"),
            ("punch a hole", change),
            ("allocate beyond the end", change),
            ("truncate to more", truncate),
            ("truncate to nothing", truncate),
            ("open again with O_TRUNC", truncating),
            ("seal further", "EPERM"),
        ]
        .map(|(attempt, said)| (attempt, said.to_owned())),
    )
}

fn geometry() -> Geometry {
    let rate = Rate::new(25, 1).unwrap();
    let format = VideoFormat::new(16, 4, Sampling::YCbCr422, Depth::Bits10, rate).unwrap();
    Geometry::new(FlowId::from_name(&"cam".parse::<Name>().unwrap()), format, 4, 1, Pages::Plain).unwrap()
}

/// A sealed ring: the descriptors of a consumer, and those that its producer has kept.
struct Ring {
    pages: Pages,
    consumer: RegionFds,
    producer: RegionFds,
    /// What the producer has mapped, which it goes on writing.
    _mapped: (Mapping, Mapping),
}

impl Ring {
    fn make(policy: PagePolicy) -> Self {
        let region = Region::create(geometry(), policy, &IdentityPlacement).unwrap();
        let mapped = region.map_for_writing().unwrap();
        let producer = region.producer_fds().unwrap();
        let pages = region.geometry().pages;
        Self { pages, consumer: region.seal().unwrap().consumer_fds().unwrap(), producer, _mapped: mapped }
    }

    /// Every descriptor that is about: with the pages behind it, and what it was opened for.
    fn descriptors(&self) -> [(Pages, Access, &OwnedFd); 4] {
        let Self { pages, consumer, producer, .. } = self;
        [
            (Pages::Plain, Access::ReadOnly, &consumer.control),
            (*pages, Access::ReadOnly, &consumer.data),
            (Pages::Plain, Access::ReadWrite, &producer.control),
            (*pages, Access::ReadWrite, &producer.data),
        ]
    }
}

/// One ring for each kind of pages that there are here.
fn rings() -> Vec<Ring> {
    let plain = Ring::make(PagePolicy::PlainOnly);
    if rustix::process::geteuid().is_root() {
        let _pages = Sysctl::free_hugepages(8).unwrap();
        return vec![plain, Ring::make(PagePolicy::HugeOnly)];
    }
    eprintln!("SKIPPED on hugepages: only root reserves them");
    vec![plain]
}

/// Opens what `path` leads to for writing and tries everything there.
fn reopened(path: &str) -> Table {
    match open(path, OFlags::RDWR) {
        Ok(writable) => table(writable.as_fd()),
        Err(errno) => vec![Said(Err(errno)).to_string()],
    }
}

/// What the owner of a ring is told, who may change its mode but nothing else.
fn check_as_owner(rings: &[Ring]) {
    let is_root = rustix::process::geteuid().is_root();
    // Root passes over the mode, and comes to the seals.
    let truncating = if is_root { "EPERM" } else { "EACCES" };
    for (pages, access, fd) in rings.iter().flat_map(Ring::descriptors) {
        assert_eq!(table(fd.as_fd()), refused(pages, access, truncating), "{pages}, {access:?}");
        let again = reopened(&own_path(fd.as_fd()));
        let sealed = refused(pages, Access::ReadWrite, truncating);
        assert_eq!(again, if is_root { sealed } else { vec!["EACCES".to_owned()] }, "{pages}, {access:?}");
    }
    for (pages, access, fd) in rings.iter().flat_map(Ring::descriptors) {
        rustix::fs::fchmod(fd, Mode::RUSR | Mode::WUSR).unwrap();
        let again = reopened(&own_path(fd.as_fd()));
        assert_eq!(again, refused(pages, Access::ReadWrite, "EPERM"), "{pages}, {access:?}, its mode changed");
        rustix::fs::fchmod(fd, Mode::RUSR).unwrap();
    }
}

/// The parts that other processes play.
#[test]
fn actor() {
    let Some((part, words)) = actor::part() else { return };
    match part.as_str() {
        "owner" => check_as_owner(&rings()),
        // With a descriptor that it was given.
        "receiver" => table(std::io::stdin().as_fd()).iter().for_each(|line| actor::say(line)),
        "thief" => reopened(&words[0]).iter().for_each(|line| actor::say(line)),
        _ => panic!("no such part: {part}"),
    }
    actor::say("done");
}

/// All that an actor says; it must come to its end.
fn heard(mut actor: Actor) -> Table {
    let mut said: Vec<String> = std::iter::from_fn(|| actor.hear()).collect();
    assert_eq!(said.pop().as_deref(), Some("done"), "{said:?}");
    assert!(actor.wait().unwrap().success());
    said
}

#[test]
fn the_owner_of_a_ring_cannot_change_it() {
    let _turn = take_turn();
    check_as_owner(&rings());
    if rustix::process::geteuid().is_root() {
        let actors = Actors::new().unwrap();
        assert_eq!(heard(actors.start("owner", "", Some(STRANGER)).unwrap()), Table::new());
    }
}

#[test]
fn another_user_with_a_descriptor_cannot_change_a_ring() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: becoming another user needs root");
    }
    let _turn = take_turn();
    let actors = Actors::new().unwrap();
    for (pages, access, fd) in rings().iter().flat_map(Ring::descriptors) {
        let given =
            |part, user| heard(actors.start_with(part, "/proc/self/fd/0", user, fd.try_clone().unwrap()).unwrap());
        assert_eq!(given("receiver", Some(STRANGER)), refused(pages, access, "EACCES"), "{pages}, {access:?}");
        assert_eq!(given("thief", Some(STRANGER)), ["EACCES"], "{pages}, {access:?}");
        assert_eq!(given("receiver", None), refused(pages, access, "EPERM"), "{pages}, {access:?}, as root");
    }
}

/// By way of the producer's own process: its descriptors, and what it has mapped for writing.
#[test]
fn nobody_takes_a_way_to_write_from_the_producer() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("SKIPPED: another process's descriptors are looked at by root");
    }
    let _turn = take_turn();
    let actors = Actors::new().unwrap();
    let process = format!("/proc/{}", std::process::id());
    for (pages, access, fd) in rings().iter().flat_map(Ring::descriptors) {
        let steal = |path: &str, user| heard(actors.start("thief", path, user).unwrap());
        let inode = rustix::fs::fstat(fd).unwrap().st_ino.to_string();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mapped: Vec<String> = (maps.lines().filter(|line| line.split_whitespace().nth(4) == Some(&inode)))
            .map(|line| format!("{process}/map_files/{}", line.split(' ').next().unwrap()))
            .collect();
        assert!(!mapped.is_empty(), "the producer has mapped it");
        for path in mapped.into_iter().chain([format!("{process}/fd/{}", fd.as_raw_fd())]) {
            let found = steal(&path, None);
            assert_eq!(found, refused(pages, Access::ReadWrite, "EPERM"), "{pages}, {access:?}: {path}");
            assert_eq!(steal(&path, Some(STRANGER)), ["EACCES"], "{pages}, {access:?}: {path}");
        }
    }
}

/// The negative control. What fails here as well fails on any memfd: it is no work of the seals.
#[test]
fn without_seals_every_attempt_is_one_that_succeeds() {
    let _turn = take_turn();
    let memfd = memfd_create("flypack-control", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&memfd, 8192).unwrap();
    let found = table(memfd.as_fd());
    let expected = refused(Pages::Plain, Access::ReadWrite, "ok");
    let rows = expected.iter().map(|line| line.split_once(": ").unwrap());
    let expected = rows.map(|(attempt, said)| match attempt {
        "give it a name" | "open as a folder for O_TMPFILE" => format!("{attempt}: {said}"),
        _ => format!("{attempt}: ok"),
    });
    assert_eq!(found, expected.collect::<Table>());
    assert_eq!(rustix::fs::fstat(&memfd).unwrap().st_size, 0, "the last one truncated it");
}
