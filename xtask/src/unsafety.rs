//! Where `unsafe` may stand, and that each use says why it is sound (ARCHITECTURE, invariant 4).

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::Finding;

/// A whole crate, or one module of it: `x` stands for `x.rs` and everything in `x/`.
const ALLOWED: [&str; 8] = [
    "dpdk/dpdk-sys",
    "dpdk/dpdk",
    "shm",
    "crates/sdk-c",
    "crates/netio/src/kernel",
    "crates/st2110/src/simd",
    "crates/gateway/src/uring",
    "crates/bench/src/peer/iceoryx",
];

/// Lines above an `unsafe` in which its comment is looked for.
const COMMENT_REACH: usize = 12;

pub(crate) fn check(path: &str, source: &str, file: &syn::File) -> Vec<Finding> {
    let mut walk = Walk { uses: Vec::new(), implements_trait: false };
    walk.visit_file(file);
    let lines: Vec<&str> = source.lines().collect();
    let mut findings: Vec<Finding> = Vec::new();
    for (line, what) in walk.uses {
        if !is_allowed(path) {
            findings.push(Finding::new(
                path,
                line,
                "unsafe-place",
                format!("{what} may not stand here; see invariant 4"),
            ));
        } else if !is_explained(&lines, line) {
            findings.push(Finding::new(path, line, "unsafe-comment", format!("{what} without a SAFETY comment")));
        }
    }
    findings.extend(forbids(path, file));
    findings
}

fn is_allowed(path: &str) -> bool {
    let within = |place: &str| path.strip_prefix(place).is_some_and(|rest| rest.starts_with(['/', '.']));
    ALLOWED.iter().any(|place| within(place)) || is_test_allocator(path)
}

/// A test binary that counts allocations: `tests/…alloc….rs`.
fn is_test_allocator(path: &str) -> bool {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    folder.split('/').any(|part| part == "tests" || part == "benches") && file.contains("alloc")
}

/// The comment stands on the line itself or above it, with attributes and the statement's beginning between.
fn is_explained(lines: &[&str], line: usize) -> bool {
    let from = line.saturating_sub(COMMENT_REACH + 1);
    let above = lines.get(from..line).unwrap_or_default();
    // A blank line or the end of a block above separates what belongs to something else.
    let near = above.iter().rev().enumerate().take_while(|(back, text)| *back == 0 || !is_border(text));
    near.into_iter().any(|(_, text)| text.contains("SAFETY:") || text.contains("# Safety"))
}

fn is_border(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || text == "}"
}

/// The root of a crate in which `unsafe` stands nowhere forbids it.
fn forbids(path: &str, file: &syn::File) -> Option<Finding> {
    let crate_root = path.strip_suffix("/src/lib.rs").or(path.strip_suffix("/src/main.rs"))?;
    let holds_unsafe = ALLOWED.iter().any(|place| place.starts_with(crate_root));
    let forbidden = file.attrs.iter().any(|attribute| {
        attribute.path().is_ident("forbid")
            && attribute.parse_args::<syn::Path>().is_ok_and(|lint| lint.is_ident("unsafe_code"))
    });
    let message = "this crate has no place for unsafe: say #![forbid(unsafe_code)]";
    (!holds_unsafe && !forbidden).then(|| Finding::new(path, 1, "forbid-unsafe", message))
}

struct Walk {
    uses: Vec<(usize, &'static str)>,
    /// The contract of an unsafe fn in the impl of a trait is the trait's.
    implements_trait: bool,
}

impl Walk {
    fn note(&mut self, span: Span, what: &'static str) {
        self.uses.push((span.start().line, what));
    }

    fn function(&mut self, signature: &syn::Signature) {
        if let (syn::Safety::Unsafe(token), false) = (&signature.safety, self.implements_trait) {
            self.note(token.span(), "an unsafe fn");
        }
    }
}

impl<'ast> Visit<'ast> for Walk {
    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.note(block.unsafe_token.span(), "an unsafe block");
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let Some(token) = &item.unsafety {
            self.note(token.span(), "an unsafe impl");
        }
        self.implements_trait = item.trait_.is_some();
        visit::visit_item_impl(self, item);
        self.implements_trait = false;
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        if let Some(token) = &item.unsafety {
            self.note(token.span(), "an unsafe trait");
        }
        visit::visit_item_trait(self, item);
    }

    fn visit_item_foreign_mod(&mut self, item: &'ast syn::ItemForeignMod) {
        self.note(item.span(), "an extern block");
        visit::visit_item_foreign_mod(self, item);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.function(signature);
        visit::visit_signature(self, signature);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPLAINED: &str = "fn f() {\n    // SAFETY: p is live.\n    let x = unsafe { *p };\n}";
    const BARE: &str = "fn f() {\n    let x = unsafe { *p };\n}";

    fn rules(path: &str, source: &str) -> Vec<&'static str> {
        check(path, source, &syn::parse_file(source).unwrap()).iter().map(Finding::rule).collect()
    }

    #[test]
    fn unsafe_outside_its_places_is_found_in_every_form() {
        let forms =
            [EXPLAINED, "unsafe fn f() {}", "unsafe impl T for X {}", "unsafe trait T {}", "unsafe extern \"C\" {}"];
        for form in forms {
            for path in
                ["crates/rtp/src/header.rs", "crates/netio/src/sim.rs", "crates/netio/src/kernels.rs", "shmem/x.rs"]
            {
                assert_eq!(rules(path, form), ["unsafe-place"], "{path}: {form}");
            }
        }
    }

    #[test]
    fn unsafe_in_its_places_is_let_pass() {
        for path in [
            "shm/src/ring.rs",
            "crates/netio/src/kernel.rs",
            "crates/netio/src/kernel/rx.rs",
            "crates/worker/tests/alloc_free.rs",
        ] {
            assert_eq!(rules(path, EXPLAINED), Vec::<&str>::new(), "{path}");
        }
    }

    #[test]
    fn unsafe_without_its_comment_is_found() {
        assert_eq!(rules("shm/src/ring.rs", BARE), ["unsafe-comment"]);
        let elsewhere = format!("{EXPLAINED}\n\n{BARE}");
        assert_eq!(rules("shm/src/ring.rs", &elsewhere), ["unsafe-comment"]);
        assert_eq!(rules("shm/src/ring.rs", "/// # Safety\n/// `p` is live.\nunsafe fn f() {}"), Vec::<&str>::new());
    }

    #[test]
    fn an_allocator_explains_its_impl_and_its_blocks_only() {
        let allocator = "// SAFETY: as System.\nunsafe impl GlobalAlloc for X {\n\nunsafe fn alloc() {}\n}";
        assert_eq!(rules("shm/tests/no_alloc.rs", allocator), Vec::<&str>::new());
    }

    #[test]
    fn a_crate_without_unsafe_forbids_it() {
        assert_eq!(rules("crates/rtp/src/lib.rs", "fn f() {}"), ["forbid-unsafe"]);
        assert_eq!(rules("crates/rtp/src/lib.rs", "#![forbid(unsafe_code)]"), Vec::<&str>::new());
        assert_eq!(rules("crates/netio/src/lib.rs", "fn f() {}"), Vec::<&str>::new());
    }
}
