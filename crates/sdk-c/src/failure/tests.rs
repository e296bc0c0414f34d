//! Each error has the values that the header, the users' chapter and the Python package promise, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use media::{AudioDepth, AudioFormat, Depth, GrainIndex, Rate, Sampling, VideoFormat};
use rustix::io::Errno;
use shm::protocol::{FlowRight, Reason};
use shm::{ClassError, Refusal};

use super::*;

const INDEX: GrainIndex = GrainIndex(7);

fn video() -> media::FlowFormat {
    let rate = Rate::new(50, 1).unwrap();
    VideoFormat::new(64, 8, Sampling::YCbCr422, Depth::Bits10, rate).unwrap().into()
}

fn sound() -> media::FlowFormat {
    AudioFormat::new(2, 48_000, AudioDepth::L24, 48).unwrap().into()
}

fn of_refusals() -> Vec<(Failure, &'static str)> {
    let (uid, limit, octets, left, k) = (1000, 5, 1 << 21, 9, 3);
    let flow = Reason::new("cam");
    let refusals = [
        (Refusal::Version { min: 7, max: 9 }, "VERSION min max"),
        (Refusal::User { uid }, "NOT_ALLOWED uid"),
        (Refusal::Flow { uid, right: FlowRight::Read, flow }, "NOT_ALLOWED uid right flow"),
        (Refusal::Memory { octets, errno: 12 }, "NO_MEMORY octets errno"),
        (Refusal::PodMemory { octets, left }, "NO_MEMORY octets left"),
        (Refusal::Live, "LIVE"),
        (Refusal::Connections { limit }, "LIMIT limit"),
        (Refusal::UserConnections { uid, limit }, "LIMIT limit uid"),
        (Refusal::Requests { limit }, "LIMIT limit"),
        (Refusal::Flows { limit }, "LIMIT limit"),
        (Refusal::RingTooLarge { octets, limit: 8 }, "LIMIT limit octets"),
        (Refusal::Slots { slots: 1, min: 2, max: 1024 }, "LIMIT limit slots min"),
        (Refusal::Lease { k, limit: 2 }, "LIMIT limit k"),
        (Refusal::Admission { slots: 8, k, needed: 10, works: 1 }, "LIMIT limit k slots needed"),
        (Refusal::Consumers { limit: 64 }, "LIMIT limit"),
        (Refusal::UserConsumers { uid, limit }, "LIMIT limit uid"),
        (Refusal::UserFlows { uid, limit }, "LIMIT limit uid"),
        (Refusal::UserMemory { uid, octets, left }, "LIMIT limit uid octets"),
        (Refusal::UserSlots { uid, k, left: 2 }, "LIMIT limit uid k"),
        (Refusal::OpenGrains { open_max: 9, max: 8 }, "LIMIT limit open_max"),
        (Refusal::WriterSilent { waited_ms: 3 }, "REFUSED waited_ms"),
        (Refusal::NotMapped { waited_ms: 3 }, "REFUSED waited_ms"),
        (Refusal::Descriptors { errno: 24 }, "REFUSED errno"),
        (Refusal::Stopping, "REFUSED"),
    ];
    let mut failures: Vec<_> = refusals.map(|(refusal, values)| (SessionError::Refused(refusal).into(), values)).into();
    let name = "cam".parse().unwrap();
    for (refusal, values) in [
        (Refusal::NoSuchFlow, "NO_SUCH_FLOW flow"),
        (Refusal::FlowEnded, "NO_SUCH_FLOW flow"),
        (Refusal::NameTaken, "NAME_TAKEN flow"),
        (Refusal::NameKept, "NAME_TAKEN flow"),
    ] {
        failures.push((Failure::from(SessionError::Refused(refusal)).about(&name), values));
    }
    failures
}

fn of_sessions() -> Vec<(Failure, &'static str)> {
    let thread = io::Error::from_raw_os_error(11);
    let errors = [
        (SessionError::Connect { path: PathBuf::from("/no"), source: Errno::NOENT }, "CONNECT errno"),
        (SessionError::Class(ClassError::NoGrains), "INVALID"),
        (SessionError::Closed, "CLOSED"),
        (SessionError::Connection(Errno::NOTCONN), "CLOSED errno"),
        (SessionError::Silent { waited_ms: 3 }, "SILENT waited_ms"),
        (SessionError::RingAbi { theirs: 2, ours: 1 }, "VERSION theirs ours"),
        (SessionError::Format { expected: video(), found: sound() }, "FORMAT expected found"),
        (SessionError::GrainOpen { index: INDEX }, "GRAIN_OPEN index"),
        (SessionError::Map(MapError::Kernel(Errno::NOMEM)), "SYSTEM errno"),
        (SessionError::Map(MapError::Size(0)), "DISORDER"),
        (SessionError::Thread(thread), "SYSTEM errno"),
        (SessionError::Disorder, "DISORDER"),
    ];
    errors.map(|(error, values)| (error.into(), values)).into()
}

fn of_writing() -> Vec<(Failure, &'static str)> {
    let (index, last) = (INDEX, GrainIndex(9));
    let opening = [
        (OpenError::NotMonotone { index, last }, "NOT_MONOTONE index last"),
        (OpenError::Limit { index }, "INDEX_LIMIT index"),
        (OpenError::NoSlot { slots: 8, held: 7 }, "NO_SLOT slots held"),
        (OpenError::Held { consumer: 3 }, "HELD consumer"),
        (OpenError::Concluded { end: index }, "EPOCH_ENDED end"),
        (OpenError::TooManyOpen { limit: 1 }, "TOO_MANY_OPEN limit"),
    ];
    let writing = [
        (WriteError::NotOpen { index }, "NOT_OPEN index"),
        (WriteError::Range { end: 9, grain_octets: 8 }, "RANGE end grain_octets"),
        (WriteError::Published { offset: 0, published_octets: 8 }, "PUBLISHED offset published_octets"),
    ];
    let ahead = ProduceError::TooFarAhead { index, now: last, limit: last };
    let mut failures: Vec<_> = opening.map(|(error, values)| (ProduceError::Open(error).into(), values)).into();
    failures.extend(writing.map(|(error, values)| (error.into(), values)));
    failures.push((ahead.into(), "TOO_FAR_AHEAD index now limit"));
    failures.push((Failure::not_open(5), "NOT_OPEN grain"));
    failures.push((Failure::lines(9, 8), "RANGE end slices"));
    failures
}

fn of_reading() -> Vec<(Failure, &'static str)> {
    let (index, other) = (INDEX, Some(GrainIndex(9)));
    let (slices, wanted) = (3, 5);
    let reading = [
        (ReadError::NotYet { index, newest: other }, "NOT_YET index newest"),
        (ReadError::NotYet { index, newest: None }, "NOT_YET index"),
        (ReadError::Unpublished { index, wanted, slices }, "NOT_YET index wanted slices"),
        (ReadError::Cancelled { index, slices }, "CANCELLED index slices"),
        (ReadError::Gone { index, oldest: other }, "GONE index oldest"),
        (ReadError::Gone { index, oldest: None }, "GONE index"),
        (ReadError::Torn { index }, "TORN index"),
        (ReadError::Evicted { hi: index }, "EVICTED end"),
        (ReadError::EpochEnded { end: index, successor: Some(1) }, "EPOCH_ENDED end successor"),
        (ReadError::EpochEnded { end: index, successor: None }, "EPOCH_ENDED end"),
        (ReadError::TooManyLeases { k: 2 }, "TOO_MANY_LEASES k"),
        (ReadError::Foreign { index }, "INVALID index"),
        (ReadError::Lines { start: 0, end: 9, slices: 8 }, "RANGE end slices"),
        (ReadError::Size { octets: 9, room: 8 }, "RANGE octets room"),
    ];
    let waiting = [
        (WaitError::TimedOut { index, slices: 4, reached: Some(2) }, "TIMED_OUT index slices reached"),
        (WaitError::ProducerGone { index }, "PRODUCER_GONE index"),
        (WaitError::Read(ReadError::Torn { index }), "TORN index"),
    ];
    let mut failures: Vec<_> = reading.map(|(error, values)| (error.into(), values)).into();
    failures.extend(waiting.map(|(error, values)| (error.into(), values)));
    failures
}

fn all() -> Vec<(Failure, &'static str)> {
    [of_refusals(), of_sessions(), of_writing(), of_reading()].into_iter().flatten().collect()
}

#[test]
fn each_error_has_its_number_and_its_values() {
    for (failure, wanted) in all() {
        let mut said = vec![format!("{:?}", failure.status).replacen("FLYPACK_E_", "", 1)];
        said.extend(failure.values.iter().map(|(name, _)| name.to_str().unwrap().to_owned()));
        assert_eq!(said.join(" "), wanted, "{failure:?}");
        for (name, value) in &failure.values {
            let sane = match value {
                Value::Number(number) => (0..1 << 40).contains(number),
                Value::Text(text) => !text.is_empty(),
            };
            assert!(sane, "{name:?} of {failure:?}");
        }
    }
}

/// What each status, by its name in C without the prefix, gives in some case.
fn given() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut given = BTreeMap::<_, BTreeSet<_>>::new();
    for (_, words) in all() {
        let (status, values) = words.split_once(' ').unwrap_or((words, ""));
        given.entry(status).or_default().extend(values.split_whitespace());
    }
    given
}

/// The words of a text that are the name of any value.
fn names(text: &str) -> BTreeSet<&'static str> {
    let known: BTreeSet<&str> = given().into_values().flatten().collect();
    let words = text.split(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
    words.filter_map(|word| known.get(word).copied()).collect()
}

/// What the text says after "Values:"; nothing where it has none.
fn after_values(text: &str) -> &str {
    text.split_once("Values:").map_or("", |(_, values)| values)
}

#[test]
fn the_header_promises_these_values() {
    let header = include_str!("../../include/flypack.h");
    for (status, values) in given() {
        let (before, _) = header.split_once(&format!("FLYPACK_E_{status} =")).unwrap();
        let (_, comment) = before.rsplit_once("/**").unwrap();
        assert_eq!(names(after_values(comment)), values, "{status}");
    }
}

#[test]
fn the_users_chapter_promises_these_values() {
    let chapter = include_str!("../../../../docs/sdk.md");
    let mut promised = BTreeMap::<&str, BTreeSet<_>>::new();
    let given = given();
    for row in chapter.lines().filter(|line| line.starts_with("| ")) {
        let columns: Vec<&str> = row.split('|').map(str::trim).collect();
        let [.., statuses, values, _, ""] = *columns else { continue };
        let statuses: Vec<_> = given.keys().filter(|status| statuses.contains(&format!("`{status}`"))).collect();
        if statuses.is_empty() {
            continue; // A row of another table.
        }
        let all: BTreeSet<_> = statuses.iter().flat_map(|status| given[**status].iter().copied()).collect();
        assert!(names(values).is_subset(&all), "{row}");
        for status in statuses {
            promised.entry(status).or_default().extend(names(values));
        }
    }
    for (status, values) in given {
        assert!(values.is_subset(&promised[status]), "{status} has {values:?}: {:?} are promised", promised[status]);
    }
}

#[test]
fn python_promises_these_values() {
    let package = include_str!("../../../../python/flypack/errors.py");
    for (status, values) in given() {
        let number =
            all().into_iter().find(|(_, words)| words.split(' ').next() == Some(status)).unwrap().0.status as i32;
        let kinds = package.split("_kind(").filter(|kind| kind.trim_start().starts_with(&format!("{number},")));
        let [kind] = kinds.collect::<Vec<_>>()[..] else { panic!("{status}: not one class") };
        // Up to the assignment that comes next.
        let text = kind.split(" = ").next().unwrap();
        assert_eq!(names(after_values(text)), values, "{status}");
    }
}
