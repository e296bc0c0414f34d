//! What a configuration needs: `flypackd --check` knows, because it was built with or without ports.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Check;

const NAME: &str = "configuration";

/// What `flypackd --check` finds, or why it finds nothing.
pub(super) fn checks(config: &Path) -> Vec<Check> {
    let program = flypackd();
    let output = Command::new(&program).args(["--check", "--json", "--config"]).arg(config).output();
    let output = match output {
        Ok(output) => output,
        Err(cause) => {
            let found = format!("cannot run {}: {cause}", program.display());
            return vec![Check::fail(NAME, found, "install flypackd beside flypack, or put its folder into PATH")];
        }
    };
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        let found = format!("{} --check does not answer as expected: {said}", program.display());
        vec![Check::fail(NAME, found, "install flypackd and flypack of the same version")]
    })
}

/// The one beside this program, else the one that the PATH has.
fn flypackd() -> PathBuf {
    let beside = std::env::current_exe().ok().map(|program| program.with_file_name("flypackd"));
    beside.filter(|program| program.exists()).unwrap_or_else(|| "flypackd".into())
}
