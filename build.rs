//! Builds anew when a file is added to the folders that the binary carries for `confwright new`.

fn main() {
    println!("cargo::rerun-if-changed=templates");
}
