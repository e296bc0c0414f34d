//! `cargo xtask tidy`: checks the architecture and the house style where a compiler cannot.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::ExitCode;

use xtask::{Tree, tidy};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments != ["tidy"] {
        eprintln!("usage: cargo xtask tidy\n\nChecks who depends on whom, where unsafe stands, sizes and names.");
        return ExitCode::from(2);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let tree = match Tree::read(root) {
        Ok(tree) => tree,
        Err(error) => {
            eprintln!("tidy: cannot read {}: {error}", root.display());
            return ExitCode::from(2);
        }
    };
    for (path, lines) in tidy::long_files(&tree) {
        println!("note: {path} has {lines} lines; think whether it is still one noun");
    }
    let findings = tidy::check(&tree);
    for finding in &findings {
        println!("{finding}");
    }
    println!("tidy: {} files, {} findings", tree.files().len(), findings.len());
    if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
