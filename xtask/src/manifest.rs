//! Who may depend on whom (ARCHITECTURE, "Crates"), and what each package's manifest must say.

use toml::Table;

use crate::{Finding, Tree};

/// Every crate of ours with those of ours that it may depend on. A new edge is a change of architecture.
const EDGES: [(&str, &[&str]); 19] = [
    ("dpdk-sys", &[]),
    ("dpdk", &["dpdk-sys", "netio", "ip", "shm", "media"]),
    ("shm", &["media"]),
    ("media", &[]),
    ("netio", &["media", "shm"]),
    ("ip", &["media"]),
    ("rtp", &["media"]),
    ("st2110", &["media", "rtp"]),
    ("worker", &["media", "netio", "ip", "rtp", "st2110", "shm"]),
    ("rtsp", &["media"]),
    ("rtsp-io", &["rtsp", "media", "netio"]),
    ("control", &["media", "st2110"]),
    ("gateway", &["dpdk", "shm", "media", "netio", "ip", "rtp", "st2110", "worker", "rtsp", "rtsp-io", "control"]),
    ("cli", &["control", "shm", "media", "st2110"]),
    ("sdk-c", &["shm", "media"]),
    ("bench", &["dpdk", "shm", "media", "netio", "ip", "rtp", "st2110", "worker", "control", "gateway", "cli"]),
    (
        "benches",
        &["dpdk", "shm", "media", "netio", "ip", "rtp", "st2110", "worker", "control", "gateway", "cli", "bench"],
    ),
    ("hwtests", &["dpdk", "shm", "media", "netio", "ip", "rtp", "st2110", "worker", "control", "gateway", "cli"]),
    ("xtask", &[]),
];

/// Crates that a package of ours may not link directly, with the reason.
const REFUSED: [(&[&str], &[&str], &str); 2] = [
    (
        &["media", "rtp", "st2110", "ip", "rtsp"],
        &[
            "tokio", "mio", "socket2", "rustix", "libc", "nix", "memmap2", "tonic", "hyper", "quanta", "rand",
            "tempfile",
        ],
        "protocol crates do no I/O and take time as an argument (invariant 3)",
    ),
    (
        &["worker"],
        &["tokio", "mio", "serde", "serde_json", "toml", "prost", "tonic", "socket2", "rustix", "nix", "memmap2"],
        "the worker has no tokio, serde, protobuf, file or socket (invariant 2)",
    ),
];

/// Members that plain `cargo test` leaves out (invariant 9).
const NOT_DEFAULT: [&str; 3] = ["hwtests", "dpdk", "dpdk-sys"];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    // The fuzz targets are a workspace of their own, for nightly, and may use every parser.
    for (path, text) in tree.manifests().filter(|(path, _)| !path.starts_with("fuzz/")) {
        match text.parse::<Table>() {
            Ok(manifest) => {
                findings.extend(package(path, &manifest));
                findings.extend(default_members(path, &manifest));
            }
            Err(error) => findings.push(Finding::new(path, 0, "syntax", error.to_string())),
        }
    }
    findings
}

fn package(path: &str, manifest: &Table) -> Vec<Finding> {
    let Some(name) = manifest.get("package").and_then(|package| package.get("name")?.as_str()) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let Some(name) = name.strip_prefix("flypack-") else {
        return vec![Finding::new(path, 0, "package-name", format!("{name}: packages are called flypack-<folder>"))];
    };
    let Some((_, allowed)) = EDGES.iter().find(|(ours, _)| *ours == name) else {
        let message = format!("{name} is in no row of the table of crates; add it there and to ARCHITECTURE.md");
        return vec![Finding::new(path, 0, "edge", message)];
    };
    for (dependency, value) in dependencies(manifest) {
        if is_ours(dependency) && !allowed.contains(&dependency) {
            let message = format!("{name} may not depend on {dependency}; allowed: {}", allowed.join(", "));
            findings.push(Finding::new(path, 0, "edge", message));
        }
        for (_, _, reason) in refused(name, dependency) {
            findings.push(Finding::new(path, 0, "refused", format!("{name} may not link {dependency}: {reason}")));
        }
        if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
            let message =
                format!("{dependency}: write {dependency}.workspace = true; versions stand in the root manifest");
            findings.push(Finding::new(path, 0, "version", message));
        }
    }
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
    if lints != Some(true) {
        findings.push(Finding::new(path, 0, "lints", "say [lints] workspace = true"));
    }
    findings
}

/// What is linked into the crate or its build script, for any target; not what only its tests use.
fn dependencies(manifest: &Table) -> Vec<(&str, &toml::Value)> {
    let targets = manifest.get("target").and_then(toml::Value::as_table).into_iter().flat_map(Table::values);
    let tables = targets.filter_map(toml::Value::as_table).chain([manifest]);
    let sections = tables.flat_map(|table| ["dependencies", "build-dependencies"].map(|section| table.get(section)));
    sections.flatten().filter_map(toml::Value::as_table).flatten().map(|(name, value)| (&**name, value)).collect()
}

fn is_ours(name: &str) -> bool {
    EDGES.iter().any(|(ours, _)| *ours == name)
}

type Refusal = (&'static [&'static str], &'static [&'static str], &'static str);

fn refused(name: &str, dependency: &str) -> impl Iterator<Item = &'static Refusal> {
    REFUSED.iter().filter(move |(ours, theirs, _)| ours.contains(&name) && theirs.contains(&dependency))
}

fn default_members(path: &str, manifest: &Table) -> Vec<Finding> {
    let Some(workspace) = manifest.get("workspace") else { return Vec::new() };
    let Some(members) = workspace.get("default-members").and_then(toml::Value::as_array) else {
        return vec![Finding::new(
            path,
            0,
            "default-members",
            "list the members that need no root, no NIC, no libdpdk",
        )];
    };
    let names = members.iter().filter_map(toml::Value::as_str).filter_map(|member| member.rsplit('/').next());
    let wrong = names.filter(|name| NOT_DEFAULT.contains(name));
    wrong.map(|name| Finding::new(path, 0, "default-members", format!("{name} is not for plain cargo test"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(name: &str, rest: &str) -> Vec<&'static str> {
        let manifest = format!("[package]\nname = \"{name}\"\n{rest}\n[lints]\nworkspace = true\n");
        check(&Tree::of(&[("x/Cargo.toml", &manifest)])).iter().map(Finding::rule).collect()
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_found_in_every_section() {
        for section in ["dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
            let edge = |to: &str| format!("[{section}]\n{to}.workspace = true");
            assert_eq!(rules("flypack-control", &edge("shm")), ["edge"], "{section}");
            assert_eq!(rules("flypack-control", &edge("st2110")), Vec::<&str>::new(), "{section}");
        }
        assert_eq!(rules("flypack-control", "[dev-dependencies]\nshm.workspace = true"), Vec::<&str>::new());
        assert_eq!(rules("flypack-novelty", ""), ["edge"]);
        assert_eq!(rules("novelty", ""), ["package-name"]);
    }

    #[test]
    fn only_dpdk_depends_on_its_ffi() {
        for (name, _) in EDGES.iter().filter(|(name, _)| *name != "dpdk") {
            let found = rules(&format!("flypack-{name}"), "[dependencies]\ndpdk-sys.workspace = true");
            assert_eq!(found, ["edge"], "{name}");
        }
    }

    #[test]
    fn io_in_protocol_crates_and_in_the_worker_is_found() {
        for (name, dependency) in [("media", "rustix"), ("rtp", "tokio"), ("st2110", "socket2"), ("worker", "serde")] {
            let found = rules(&format!("flypack-{name}"), &format!("[dependencies]\n{dependency}.workspace = true"));
            assert_eq!(found, ["refused"], "{name} {dependency}");
        }
    }

    #[test]
    fn versions_and_lints_stand_in_the_root() {
        assert_eq!(rules("flypack-rtp", "[dependencies]\nthiserror = \"2\""), ["version"]);
        let bare = "[package]\nname = \"flypack-rtp\"\n";
        assert_eq!(check(&Tree::of(&[("x/Cargo.toml", bare)]))[0].rule(), "lints");
    }

    #[test]
    fn what_needs_root_is_no_default_member() {
        let root = |members: &str| format!("[workspace]\n{members}");
        let found = |members: &str| check(&Tree::of(&[("Cargo.toml", &root(members))])).len();
        assert_eq!(found("default-members = [\"crates/rtp\", \"hwtests\", \"dpdk/dpdk-sys\"]"), 2);
        assert_eq!(found("default-members = [\"crates/rtp\"]"), 0);
        assert_eq!(found(""), 1);
    }
}
