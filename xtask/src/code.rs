//! Rules on functions and names of types.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::Finding;

/// Longest function, from its first line to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Endings of type names that say nothing.
const EMPTY_ENDINGS: [&str; 5] = ["Manager", "Handler", "Info", "Data", "Util"];

pub(crate) fn check(path: &str, file: &syn::File) -> Vec<Finding> {
    let mut walk = Walk { path, findings: Vec::new() };
    walk.visit_file(file);
    walk.findings
}

struct Walk<'a> {
    path: &'a str,
    findings: Vec<Finding>,
}

impl Walk<'_> {
    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (first, last) = (signature.span().start().line, block.span().end().line);
        let lines = last + 1 - first;
        if lines > FUNCTION_LINES_MAX {
            let message = format!("{} has {lines} lines; {FUNCTION_LINES_MAX} are the most", signature.ident);
            self.findings.push(Finding::new(self.path, first, "function-size", message));
        }
    }

    fn getter(&mut self, signature: &syn::Signature) {
        if let Some(noun) = signature.ident.to_string().strip_prefix("get_") {
            let line = signature.span().start().line;
            self.findings.push(Finding::new(self.path, line, "get", format!("call it {noun}")));
        }
    }

    fn type_name(&mut self, ident: &syn::Ident) {
        let name = ident.to_string();
        if let Some(ending) = EMPTY_ENDINGS.into_iter().find(|ending| name.ends_with(ending)) {
            let message = format!("{name}: \"{ending}\" says nothing; name it for what it is");
            self.findings.push(Finding::new(self.path, ident.span().start().line, "type-name", message));
        }
    }
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.getter(&item.sig);
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        // The names in an impl of a trait are the trait's.
        let names_are_ours = item.trait_.is_none();
        for member in &item.items {
            if let syn::ImplItem::Fn(function) = member {
                if names_are_ours {
                    self.getter(&function.sig);
                }
                self.function(&function.sig, &function.block);
            }
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.getter(&item.sig);
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.type_name(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.type_name(&item.ident);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(source: &str) -> Vec<&'static str> {
        check("a/x.rs", &syn::parse_file(source).unwrap()).iter().map(Finding::rule).collect()
    }

    #[test]
    fn a_function_of_more_than_70_lines_is_found_wherever_it_stands() {
        let long = |lines: usize| format!("fn f() {{\n{}}}", "\n".repeat(lines - 2));
        assert_eq!(rules(&long(70)), Vec::<&str>::new());
        assert_eq!(rules(&long(71)), ["function-size"]);
        assert_eq!(rules(&format!("impl X {{ {} }}", long(71))), ["function-size"]);
        assert_eq!(rules(&format!("trait X {{ {} }}", long(71))), ["function-size"]);
        assert_eq!(rules(&format!("mod m {{ impl X for Y {{ {} }} }}", long(71))), ["function-size"]);
    }

    #[test]
    fn getters_are_found_but_not_in_a_foreign_trait() {
        assert_eq!(rules("fn get_x() {}"), ["get"]);
        assert_eq!(rules("impl X { fn get_x(&self) {} }"), ["get"]);
        assert_eq!(rules("impl T for X { fn get_x(&self) {} }"), Vec::<&str>::new());
    }

    #[test]
    fn empty_type_names_are_found() {
        assert_eq!(rules("struct FrameManager; enum GrainInfo {}"), ["type-name", "type-name"]);
        assert_eq!(rules("struct Frame; enum Grain {}"), Vec::<&str>::new());
    }
}
