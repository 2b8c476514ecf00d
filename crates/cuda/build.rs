//! Lists the prebuilt kernels, so that they become part of the library.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate lies"));
    let folder = manifest.join("kernels/prebuilt");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut binaries: Vec<PathBuf> = fs::read_dir(&folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    binaries.retain(|path| path.extension().is_some_and(|extension| extension == "fatbin"));
    binaries.sort();
    println!("cargo::rustc-check-cfg=cfg(has_kernels)");
    if binaries.is_empty() {
        println!("cargo::warning=kernels/prebuilt holds no kernels: nothing will run on a GPU");
    } else {
        println!("cargo::rustc-cfg=has_kernels");
    }
    let statics: String = binaries.iter().map(|path| include(path)).collect();
    let text = format!("static PREBUILT: &[&[u8]] = &[{statics}];\n");
    let target =
        PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where to write")).join("prebuilt.rs");
    fs::write(target, text).expect("cargo's folder can be written");
}

/// An expression for the bytes of one binary, aligned.
fn include(path: &Path) -> String {
    println!("cargo::rerun-if-changed={}", path.display());
    format!(
        "{{ static BINARY: &Aligned<[u8]> = &Aligned(*include_bytes!({:?})); &BINARY.0 }}, ",
        path.display().to_string()
    )
}
