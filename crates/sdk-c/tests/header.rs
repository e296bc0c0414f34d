//! `include/flypack.h` is what cbindgen makes of the sources, and C and C++ compilers take it.
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::fs;
use std::path::Path;
use std::process::Command;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn generated() -> String {
    let config = cbindgen::Config::from_file(folder().join("cbindgen.toml")).unwrap();
    // lib.rs alone: cbindgen follows its modules, and a file that is named beside it would come twice.
    let builder = cbindgen::Builder::new().with_config(config).with_src(folder().join("src/lib.rs"));
    let bindings = builder.generate().unwrap();
    let mut header = Vec::new();
    bindings.write(&mut header);
    String::from_utf8(header).unwrap()
}

/// With `FLYPACK_WRITE_HEADER=1` in the environment it writes the header instead.
#[test]
fn the_header_is_made_of_the_sources() {
    let path = folder().join("include/flypack.h");
    let header = generated();
    if std::env::var_os("FLYPACK_WRITE_HEADER").is_some() {
        // Never half written: the test beside this one compiles it.
        let fresh = path.with_extension("new");
        fs::write(&fresh, header).unwrap();
        fs::rename(&fresh, &path).unwrap();
        return;
    }
    let committed = fs::read_to_string(&path).unwrap();
    let differs = committed.lines().zip(header.lines()).position(|(ours, theirs)| ours != theirs);
    assert!(
        committed == header,
        "flypack.h is not of these sources (line {:?}): FLYPACK_WRITE_HEADER=1 cargo test -p flypack-sdk-c --test header",
        differs.map(|line| line + 1)
    );
}

/// The functions of the sources that C may call.
fn exported() -> Vec<String> {
    let files = fs::read_dir(folder().join("src")).unwrap().map(|entry| entry.unwrap().path());
    let texts = files.filter(|path| path.is_file()).map(|path| fs::read_to_string(path).unwrap());
    let names = |text: String| {
        let calls = text.split("extern \"C\" fn ").skip(1);
        calls.map(|call| call.split('(').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    texts.flat_map(names).collect()
}

#[test]
fn every_function_is_declared_once() {
    let header = fs::read_to_string(folder().join("include/flypack.h")).unwrap();
    let exported = exported();
    assert!(exported.len() > 30, "{exported:?}");
    for name in exported {
        // A declaration; a comment that speaks of it has no bracket, and ends no statement.
        let declared = header.matches(&format!("{name}(")).count();
        assert_eq!(declared, 1, "{name}");
    }
}

#[test]
fn every_error_stands_in_the_users_chapter() {
    let header = fs::read_to_string(folder().join("include/flypack.h")).unwrap();
    let chapter = fs::read_to_string(folder().join("../../docs/sdk.md")).unwrap();
    let errors = header.lines().filter_map(|line| line.trim().strip_prefix("FLYPACK_E_")?.split(" = ").next());
    let missing: Vec<&str> = errors.filter(|error| !chapter.contains(&format!("`{error}`"))).collect();
    assert!(missing.is_empty(), "docs/sdk.md says nothing of {missing:?}");
}

fn compile(compiler: &str, standard: &str, file: &str, text: &str) {
    let scratch = tempfile::tempdir().unwrap();
    let source = scratch.path().join(file);
    fs::write(&source, text).unwrap();
    let output = Command::new(compiler)
        .args(["-Wall", "-Wextra", "-Werror", "-pedantic", standard, "-fsyntax-only", "-I"])
        .arg(folder().join("include"))
        .arg(&source)
        .output();
    match output {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => println!("SKIPPED: there is no {compiler} ({error})"),
    }
}

#[test]
fn compilers_take_the_header_alone_and_twice() {
    let text = "#include \"flypack.h\"\n#include \"flypack.h\"\nint main(void) { return flypack_last_error(); }\n";
    compile("cc", "-std=c11", "a.c", text);
    compile("cc", "-std=c99", "a.c", text);
    compile("c++", "-std=c++11", "a.cc", text);
    compile("c++", "-std=c++20", "a.cc", text);
}
