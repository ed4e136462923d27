//! Builds anew when a file is added to the folders that the binary carries for `confwright new`, and names the build: a
//! hash of all that it is made from, for caches that only the same program may read.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

/// What the program is made from.
const SOURCES: [&str; 5] = ["Cargo.lock", "Cargo.toml", "build.rs", "src", "templates"];
/// What Cargo says of how it is made.
const SETTINGS: [&str; 4] = ["TARGET", "PROFILE", "OPT_LEVEL", "CARGO_ENCODED_RUSTFLAGS"];

fn main() -> io::Result<()> {
    let mut files = BTreeSet::new();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        collect(Path::new(source), &mut files)?;
    }
    let mut hasher = DefaultHasher::new();
    for file in files {
        #[expect(clippy::disallowed_methods, reason = "the sources are not a project's")]
        let bytes = std::fs::read(&file)?;
        (file, bytes).hash(&mut hasher);
    }
    for setting in SETTINGS {
        std::env::var_os(setting).hash(&mut hasher);
    }
    println!("cargo::rustc-env=CONFWRIGHT_BUILD={:016x}", hasher.finish());
    Ok(())
}

/// Finds the files below a place; a lock file need not be there.
fn collect(place: &Path, files: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    if place.is_dir() {
        #[expect(clippy::disallowed_methods, reason = "the sources are not a project's")]
        let entries = std::fs::read_dir(place)?;
        for entry in entries {
            collect(&entry?.path(), files)?;
        }
    } else if place.is_file() {
        files.insert(place.to_owned());
    }
    Ok(())
}
