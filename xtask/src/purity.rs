//! Protocol crates do no I/O and are told the time; the worker knows no clock but `Clock`, no file and no
//! socket (ARCHITECTURE, invariants 2 and 3). Code under `#[cfg(test)]` is free.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::Finding;

/// Crates that compute and do nothing else.
const PURE: [&str; 5] = ["crates/media/", "crates/rtp/", "crates/st2110/", "crates/ip/", "crates/rtsp/"];
const WORKER: &str = "crates/worker/";

/// What a pure crate may not name.
const OUTSIDE: [&str; 11] = [
    "std::fs",
    "std::process",
    "std::os",
    "std::thread",
    "std::env",
    "std::net::UdpSocket",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::io",
];
/// What the worker may do besides: have threads.
const WORKER_MAY: [&str; 1] = ["std::thread"];

pub(crate) fn check(path: &str, file: &syn::File) -> Vec<Finding> {
    let is_test = path.contains("/tests/") || path.ends_with("/tests.rs") || path.contains("/benches/");
    let pure = PURE.iter().any(|folder| path.starts_with(folder));
    if is_test || !(pure || path.starts_with(WORKER)) {
        return Vec::new();
    }
    let mut walk = Walk { paths: Vec::new() };
    walk.visit_file(file);
    let may = |outside: &str| !pure && WORKER_MAY.contains(&outside);
    let named = walk.paths.into_iter().filter_map(|(line, named)| {
        let outside = OUTSIDE.into_iter().find(|outside| is_within(&named, outside) && !may(outside))?;
        Some(Finding::new(path, line, "purity", format!("{outside} has no place here; take it as an argument")))
    });
    named.collect()
}

/// `std::fs::File` lies within `std::fs`.
fn is_within(named: &str, outside: &str) -> bool {
    named.strip_prefix(outside).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

struct Walk {
    paths: Vec<(usize, String)>,
}

impl Walk {
    fn import(&mut self, prefix: &str, tree: &syn::UseTree) {
        let join =
            |ident: &syn::Ident| if prefix.is_empty() { ident.to_string() } else { format!("{prefix}::{ident}") };
        let named = match tree {
            syn::UseTree::Path(path) => return self.import(&join(&path.ident), &path.tree),
            syn::UseTree::Group(group) => return group.items.iter().for_each(|item| self.import(prefix, item)),
            syn::UseTree::Name(name) if name.ident == "self" => prefix.to_owned(),
            syn::UseTree::Name(name) => join(&name.ident),
            syn::UseTree::Rename(name) => join(&name.ident),
            syn::UseTree::Glob(_) => prefix.to_owned(),
        };
        self.paths.push((tree.span().start().line, named));
    }
}

fn is_test_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|condition| condition.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Walk {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if !is_test_only(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_test_only(&item.attrs) {
            self.import("", &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.paths.push((path.span().start().line, parts.join("::")));
        visit::visit_path(self, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, source: &str) -> Vec<&'static str> {
        check(path, &syn::parse_file(source).unwrap()).iter().map(Finding::rule).collect()
    }

    #[test]
    fn io_and_clocks_in_a_pure_crate_are_found_in_every_form() {
        for source in [
            "use std::fs;",
            "use std::{fmt, time::Instant};",
            "use std::net::{IpAddr, UdpSocket as S};",
            "use std::io::*;",
            "fn f() { let now = std::time::SystemTime::now(); }",
        ] {
            assert_eq!(rules("crates/rtp/src/x.rs", source), ["purity"], "{source}");
        }
    }

    #[test]
    fn addresses_durations_and_tests_are_let_pass() {
        for source in [
            "use std::net::IpAddr;",
            "use std::time::Duration;",
            "#[cfg(test)] mod tests { use std::fs; }",
            "use std::fmt;",
        ] {
            assert_eq!(rules("crates/rtp/src/x.rs", source), Vec::<&str>::new(), "{source}");
        }
        assert_eq!(rules("crates/rtp/tests/x.rs", "use std::fs;"), Vec::<&str>::new());
        assert_eq!(rules("crates/gateway/src/x.rs", "use std::fs;"), Vec::<&str>::new());
    }

    #[test]
    fn the_worker_has_threads_but_no_clock_of_its_own() {
        assert_eq!(rules("crates/worker/src/x.rs", "use std::thread;"), Vec::<&str>::new());
        assert_eq!(rules("crates/worker/src/x.rs", "use std::time::Instant;"), ["purity"]);
    }
}
