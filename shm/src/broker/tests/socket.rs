//! The socket in the file system: one instance, modes, users, stale and foreign files.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::*;
use crate::SessionError;

fn start(path: &Path) -> Result<Broker, BrokerError> {
    Broker::start(BrokerConfig::new(path), |_| {})
}

#[test]
fn a_second_instance_fails_and_names_the_socket() {
    let bench = Bench::new();
    let error = start(&bench.path()).unwrap_err();
    assert!(matches!(&error, BrokerError::AlreadyRunning { path } if *path == bench.path()), "{error}");
    assert!(error.to_string().contains("broker.sock"), "{error}");
    // It disturbed nothing.
    assert!(bench.session().flows().unwrap().is_empty());
}

#[test]
fn stopping_removes_the_socket_and_the_lock() {
    let bench = Bench::new();
    let session = bench.session();
    bench.broker.stop();
    assert_eq!(fs::read_dir(bench.dir.path()).unwrap().count(), 0);
    assert!(matches!(session.flows(), Err(SessionError::Connect { .. })));
    let error = Session::connect(&bench.dir.path().join("broker.sock")).unwrap_err();
    assert!(error.to_string().contains("start flypackd"), "{error}");
}

#[test]
fn a_stale_socket_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broker.sock");
    // Closing a listener leaves its socket in the file system, as a killed instance does; so does the lock file.
    drop(UnixListener::bind(&path).unwrap());
    fs::write(dir.path().join("broker.sock.lock"), "").unwrap();
    let broker = start(&path).unwrap();
    assert!(Session::connect(&path).is_ok());
    drop(broker);
    assert!(!path.exists());
}

#[test]
fn a_live_socket_of_somebody_else_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broker.sock");
    let other = UnixListener::bind(&path).unwrap();
    let inode = fs::metadata(&path).unwrap().ino();
    assert!(matches!(start(&path), Err(BrokerError::AlreadyRunning { .. })));
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    drop(other);
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("broker.sock");
    fs::write(&path, "precious").unwrap();
    assert!(matches!(start(&path), Err(BrokerError::NotASocket { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    let nowhere = dir.path().join("missing/broker.sock");
    let error = start(&nowhere).unwrap_err();
    assert!(error.to_string().contains("folder"), "{error}");
    let long = dir.path().join("x".repeat(120));
    assert!(matches!(start(&long), Err(BrokerError::Socket { .. })));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no lock is left behind");
}

#[test]
fn a_socket_that_somebody_put_in_our_place_is_not_removed() {
    let bench = Bench::new();
    let path = bench.path();
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    bench.broker.stop();
    assert!(path.exists());
    drop(other);
}

#[test]
fn the_socket_has_its_mode_and_group() {
    let gid = rustix::process::getegid().as_raw();
    let bench = Bench::with(|config| {
        config.mode = 0o620;
        config.group = Some(gid.to_string());
    });
    let found = fs::metadata(bench.path()).unwrap();
    assert_eq!((found.permissions().mode() & 0o777, found.gid()), (0o620, gid));
    let mut config = BrokerConfig::new(bench.dir.path().join("other.sock"));
    config.group = Some("no-such-group-here".into());
    assert!(matches!(Broker::start(config.clone(), |_| {}), Err(BrokerError::Access(_))));
    config.group = None;
    config.mode = 0o7777;
    assert!(matches!(Broker::start(config, |_| {}), Err(BrokerError::Access(_))));
}

#[test]
fn users_who_are_not_listed_are_told_so() {
    let uid = rustix::process::geteuid().as_raw();
    let listed = Bench::with(|config| config.uids = vec![uid + 1, uid]);
    assert!(Session::connect(&listed.path()).is_ok());
    let other = Bench::with(|config| config.uids = vec![uid + 1]);
    for _ in 0..20 {
        let error = Session::connect(&other.path()).unwrap_err();
        assert!(matches!(error, SessionError::Refused(Refusal::User { uid: told }) if told == uid), "{error}");
    }
    assert_eq!(other.broker.counters().refused, 20);
}

#[test]
fn connections_are_bounded_and_come_free() {
    let bench = Bench::with(|config| config.limits.connections = 3);
    let mut sessions: Vec<_> = (0..3).map(|_| bench.session()).collect();
    for _ in 0..20 {
        let error = Session::connect(&bench.path()).unwrap_err();
        assert!(matches!(error, SessionError::Refused(Refusal::Connections { limit: 3 })), "{error}");
    }
    assert!(sessions[0].flows().is_ok());
    sessions.pop();
    until("a connection comes free", || Session::connect(&bench.path()).is_ok());
}
