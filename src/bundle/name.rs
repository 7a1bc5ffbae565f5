//! iSCSI names (RFC 7143 section 4.2.7.1).

/// The longest iSCSI name in bytes.
const NAME_BYTES_MAX: usize = 223;

/// Whether this is an iSCSI name; if not, why.
pub(crate) fn check(name: &str) -> Result<(), String> {
    // Names are ASCII after normalisation; IQNs hold no '%', so an escape is only ever a disguised other character.
    let legal = |c: char| c.is_ascii_alphanumeric() || "-.:_".contains(c);
    // Case is kept: the RFC wants lower case, but targets exist whose names have capitals and are compared as they are.
    let kind = name.get(..4).unwrap_or("").to_ascii_lowercase();
    let name = name.escape_debug();
    if !["iqn.", "eui.", "naa."].contains(&kind.as_str()) {
        return Err(format!("'{name}' is not an iSCSI name: those begin with iqn., eui. or naa."));
    }
    if name.clone().count() > NAME_BYTES_MAX || !name.clone().all(legal) {
        return Err(format!("'{name}' is not an iSCSI name: at most {NAME_BYTES_MAX} letters, digits and - . : _"));
    }
    Ok(())
}
