//! Rules on file names and on lines of text.

use crate::{Finding, Tree};

/// Longest Rust file.
pub(crate) const FILE_LINES_MAX: usize = 600;
/// A longer Rust file is mentioned.
pub(crate) const FILE_LINES_NOTED: usize = 400;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 9] = ["util", "utils", "common", "helper", "helpers", "type", "types", "misc", "mod"];

/// Where one person's machine keeps things. Split, so that this file does not break its own rule.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];

/// Marks of unfinished work, split for the same reason.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
];

pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.files() {
        findings.extend(name(path));
        findings.extend(machine_paths(path, text));
        if path.ends_with(".rs") {
            findings.extend(rust(path, text));
        }
    }
    findings
}

/// Every folder and every Rust file on the way is named for one noun.
fn name(path: &str) -> Option<Finding> {
    let parts = path.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part));
    let empty = parts.into_iter().find(|part| EMPTY_NAMES.contains(part))?;
    Some(Finding::new(path, 0, "name", format!("\"{empty}\" names no noun; name the file for what it holds")))
}

fn machine_paths(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().zip(1..).filter_map(|(line, number)| {
        let found = MACHINE_PATHS.into_iter().find(|machine| has_absolute(line, machine))?;
        Some(Finding::new(path, number, "machine-path", format!("{found} is on one machine only")))
    });
    lines.collect()
}

/// Whether `prefix` begins a path in the line, rather than standing inside a longer one.
fn has_absolute(line: &str, prefix: &str) -> bool {
    let inside = |before: char| before.is_alphanumeric() || "._-}".contains(before);
    line.match_indices(prefix).any(|(at, _)| !line[..at].chars().next_back().is_some_and(inside))
}

fn rust(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        findings.push(Finding::new(path, 1, "header", "begin with //!: what this file is, and why"));
    }
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        findings.push(Finding::new(
            path,
            0,
            "file-size",
            format!("{lines} lines; split it, {FILE_LINES_MAX} are the most"),
        ));
    }
    for (line, number) in text.lines().zip(1..) {
        if let Some(mark) = UNFINISHED.into_iter().find(|mark| line.contains(mark)) {
            findings.push(Finding::new(
                path,
                number,
                "unfinished",
                format!("{mark} is for an issue, not for the source"),
            ));
        }
        if line.trim_start().starts_with("#[ignore]") {
            findings.push(Finding::new(path, number, "ignore", "say why: #[ignore = \"reason\"]"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        check(&Tree::of(&[(path, text)])).iter().map(Finding::rule).collect()
    }

    #[test]
    fn names_without_a_noun_are_found() {
        for path in ["a/src/utils.rs", "a/tests/common/peer.rs", "a/src/ring/mod.rs", "a/src/types.rs"] {
            assert_eq!(rules(path, "//! x"), ["name"], "{path}");
        }
        assert_eq!(rules("a/src/common_mode.rs", "//! x"), Vec::<&str>::new());
    }

    #[test]
    fn paths_of_one_machine_are_found_in_every_file() {
        for line in [concat!("see /wo", "rk/main"), concat!("\"/ro", "ot/x\""), concat!("cd=/ho", "me/me")] {
            assert_eq!(rules("README.md", line), ["machine-path"], "{line}");
        }
        for line in [concat!("frame", "work/x"), concat!("$DIR/a/wo", "rk/b"), concat!("\"${HOME}/ro", "ot/x\"")] {
            assert_eq!(rules("README.md", line), Vec::<&str>::new(), "{line}");
        }
    }

    #[test]
    fn a_file_without_a_header_is_found() {
        assert_eq!(rules("a/x.rs", "fn x() {}"), ["header"]);
        assert_eq!(rules("a/x.rs", ""), ["header"]);
    }

    #[test]
    fn a_file_of_more_than_600_lines_is_found() {
        let long = |lines: usize| format!("//! x\n{}", "\n".repeat(lines - 1));
        assert_eq!(rules("a/x.rs", &long(601)), ["file-size"]);
        assert_eq!(rules("a/x.rs", &long(600)), Vec::<&str>::new());
    }

    #[test]
    fn unfinished_work_is_found() {
        for mark in UNFINISHED {
            assert_eq!(rules("a/x.rs", &format!("//! x\n// {mark} later")), ["unfinished"], "{mark}");
        }
        assert_eq!(rules("a/x.rs", concat!("//! x\n#[ign", "ore]")), ["ignore"]);
        assert_eq!(rules("a/x.rs", concat!("//! x\n#[ign", "ore = \"needs root\"]")), Vec::<&str>::new());
    }
}
