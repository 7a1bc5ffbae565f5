//! Any bytes as the text of a login: never a panic, and what was understood survives being written again, in parts.
#![no_main]

use iscsi::chap::{Challenge, format_binary, parse_binary};
use iscsi::text::{Pairs, Parts, parse_number, split};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((size, text)) = data.split_first() else { return };
    let Ok(pairs) = Pairs::parse(text) else { return };
    let written = pairs.encode();
    let cut: Vec<_> = split(written.clone(), usize::from(*size)).collect();
    let mut parts = Parts::new(written.len());
    for (index, part) in cut.iter().enumerate() {
        let last = index + 1 == cut.len();
        let complete = parts.push(part, !last).expect("our own text");
        assert_eq!(complete, last.then(|| pairs.clone()));
    }
    for (key, value) in pairs.iter() {
        let _ = (parse_number(value), Challenge::parse(key, value));
        if let Some(binary) = parse_binary(value) {
            assert_eq!(parse_binary(&format_binary(&binary)), Some(binary));
        }
    }
});
