//! All rules over one tree.

use crate::{Finding, Tree, code, manifest, purity, text, unsafety};

/// Findings of every rule, by file and line.
#[must_use]
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = manifest::check(tree);
    findings.extend(text::check(tree));
    for (path, source) in tree.rust() {
        match syn::parse_file(source) {
            Ok(file) => {
                findings.extend(code::check(path, &file));
                findings.extend(purity::check(path, &file));
                findings.extend(unsafety::check(path, source, &file));
            }
            Err(error) => findings.push(Finding::new(path, error.span().start().line, "syntax", error.to_string())),
        }
    }
    findings.sort();
    findings
}

/// Rust files longer than 400 lines, which is allowed, with their length.
#[must_use]
pub fn long_files(tree: &Tree) -> Vec<(&str, usize)> {
    let lengths = tree.rust().map(|(path, text)| (path, text.lines().count()));
    lengths.filter(|(_, lines)| (text::FILE_LINES_NOTED + 1..=text::FILE_LINES_MAX).contains(lines)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tidy_tree_has_no_findings() {
        let clean = [
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/rtp\"]\ndefault-members = [\"crates/rtp\"]"),
            (
                "crates/rtp/Cargo.toml",
                "[package]\nname = \"flypack-rtp\"\n[dependencies]\nmedia.workspace = true\n[lints]\nworkspace = true",
            ),
            ("crates/rtp/src/lib.rs", "//! RTP.\n#![forbid(unsafe_code)]\n\nfn main() {}\n"),
        ];
        assert_eq!(check(&Tree::of(&clean)), []);
    }

    #[test]
    fn what_does_not_parse_is_a_finding_not_a_panic() {
        let findings = check(&Tree::of(&[("a/x.rs", "//! x\nfn (")]));
        assert!(findings.iter().any(|finding| finding.rule() == "syntax"), "{findings:?}");
    }

    #[test]
    fn files_between_400_and_600_lines_are_noted_only() {
        let text = format!("//! x\n{}", "// line\n".repeat(400));
        let files = [("a/x.rs", &*text)];
        let tree = Tree::of(&files);
        assert_eq!(long_files(&tree), [("a/x.rs", 401)]);
        assert_eq!(check(&tree), []);
    }
}
