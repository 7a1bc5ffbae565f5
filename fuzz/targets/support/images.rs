//! The images that inputs change, unpacked by fuzz/run-short.

/// The bytes of `fuzz/seeds/NAME.img.zst`.
pub fn image(name: &str) -> Vec<u8> {
    let directory = std::env::var_os("FR_FUZZ_IMAGES").expect("run it with fuzz/run-short");
    std::fs::read(std::path::Path::new(&directory).join(name).with_extension("img")).unwrap()
}
