//! What fuzzing of the protocol begins with: every message as it is today. With `FLYPACK_WRITE_SEEDS=1` in the environment the
//! seeds are written anew, for whoever changed a message.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::all;
use crate::protocol::Version;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/protocol");

fn name(place: usize, version: Version) -> String {
    let version = if version == Version::V1 { 1 } else { 2 };
    format!("v{version}_{place:02}")
}

fn seeds() -> BTreeMap<String, Vec<u8>> {
    let messages = all().into_iter().enumerate();
    messages.map(|(place, (octets, version))| (name(place, version), octets)).collect()
}

fn kept(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
}

#[test]
fn fuzzing_begins_with_every_message_of_today() {
    let (folder, seeds) = (Path::new(FOLDER), seeds());
    if std::env::var_os("FLYPACK_WRITE_SEEDS").is_some() {
        kept(folder).keys().for_each(|name| fs::remove_file(folder.join(name)).unwrap());
        seeds.iter().for_each(|(name, octets)| fs::write(folder.join(name), octets).unwrap());
    }
    assert!(kept(folder) == seeds, "{FOLDER} is of another day: run this test with FLYPACK_WRITE_SEEDS=1");
}
