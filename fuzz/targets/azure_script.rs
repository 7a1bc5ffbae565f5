//! Any text as a script of Azure Backup, under any name: never a panic, and what is taken from it can be used as it is.
#![no_main]

use bundle::azure::{AzureScript, Discovered, chap_prefix, looks_like_script};
use libfuzzer_sys::fuzz_target;
use tunnel::Address;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let (name, script) = text.split_once('\n').unwrap_or(("", &text));
    let _ = looks_like_script(script);
    let prefix = chap_prefix(script);
    assert!(prefix.matches(';').count() == 2 && !prefix.contains(char::is_control));
    let Ok(parsed) = AzureScript::parse(name, script) else { return };
    assert_eq!(parsed.portal.to_string().parse::<Address>().unwrap(), parsed.portal);
    assert!(tunnel::parse_server_name(&parsed.server_name).is_ok());
    assert!(![&parsed.vm, &parsed.user, &parsed.target].into_iter().any(|text| text.contains(char::is_control)));
    let shown: Vec<_> = script.lines().take(16).map(str::to_owned).collect();
    if let Discovered::Ready(names) = parsed.discovered(&shown) {
        assert!(!names.is_empty() && names.iter().all(|name| shown.contains(name)));
    }
});
