//! Transfers to and from a file beside this program: temporary folders may be of memory, which has no direct access.

use std::os::unix::fs::FileExt as _;

use rustix::fs::{Mode, OFlags, open};

use super::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap()
}

fn direct(path: &std::path::Path, flags: OFlags) -> OwnedFd {
    open(path, flags | OFlags::DIRECT | OFlags::CREATE, Mode::RUSR | Mode::WUSR).unwrap()
}

fn block(value: u8) -> Block {
    let mut block = Block::new(5000);
    block.bytes_mut().fill(value);
    block
}

fn all(file: &mut DirectFile<Block>) -> Vec<Landed<Block>> {
    let mut landed = Vec::new();
    while file.flying() > 0 {
        file.wait(LAST_WAIT);
        landed.extend(std::iter::from_fn(|| file.landed()));
    }
    landed.sort_by_key(|landed| landed.tag);
    landed
}

#[test]
fn what_is_written_is_read_again_in_any_order() {
    let folder = folder();
    let path = folder.path().join("x");
    let mut file = DirectFile::new(direct(&path, OFlags::RDWR), 3).unwrap();
    for tag in 0..3 {
        file.write(tag, block(tag as u8 + 1), 8192, (2 - tag) * 8192).unwrap();
    }
    assert!(!file.has_room() && file.write(9, block(0), 4096, 0).is_err());
    assert!(all(&mut file).iter().all(|landed| landed.outcome.is_ok()));
    let plain = std::fs::File::open(&path).unwrap();
    let mut octets = vec![0; 3 * 8192];
    plain.read_exact_at(&mut octets, 0).unwrap();
    assert!(octets.chunks(8192).zip([3, 2, 1]).all(|(chunk, value)| chunk.iter().all(|octet| *octet == value)));
    file.read(7, Block::new(8192), 8192, 8192).unwrap();
    let landed = all(&mut file);
    assert!(landed[0].outcome.is_ok() && landed[0].bytes.bytes().iter().all(|octet| *octet == 2));
}

#[test]
fn what_the_file_does_not_hold_is_an_error_and_the_memory_comes_back() {
    let folder = folder();
    let path = folder.path().join("x");
    std::fs::write(&path, [7; 6000]).unwrap();
    let mut file = DirectFile::new(direct(&path, OFlags::RDONLY), 2).unwrap();
    file.read(0, Block::new(8192), 8192, 0).unwrap();
    file.read(1, Block::new(4096), 4096, 8192).unwrap();
    let landed = all(&mut file);
    assert_eq!(landed[1].outcome.as_ref().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    // Half of it is there, and the rest is not.
    assert!(landed[0].outcome.is_err() && landed[0].bytes.bytes()[5999] == 7);
    file.write(2, block(1), 4096, 0).unwrap();
    assert_eq!(Errno::from_io_error(all(&mut file)[0].outcome.as_ref().unwrap_err()), Some(Errno::BADF));
}

#[test]
fn a_file_that_is_dropped_ends_its_transfers_first() {
    let folder = folder();
    let path = folder.path().join("x");
    let mut file = DirectFile::new(direct(&path, OFlags::WRONLY), 4).unwrap();
    (0..4).for_each(|tag| file.write(tag, block(tag as u8), 8192, tag * 8192).unwrap_or_else(|_| panic!("no room")));
    drop(file);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 4 * 8192);
}
