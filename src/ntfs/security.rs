//! Who may do what: security descriptors, where `$Secure` keeps them, and what they are for Linux and for Samba. Nothing here
//! reads the volume: callers pass bytes.

mod access;
mod descriptor;
mod identity;
mod mapping;
#[cfg(test)]
mod model;
pub(crate) mod ntacl;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod samples;
pub(crate) mod sds;
mod sid;
mod wsl;

pub use access::Options as SecurityOptions;
pub(crate) use access::{Access, access};
pub(crate) use descriptor::Descriptor;
pub use mapping::{HostNames, UserMapping};
pub(crate) use wsl::WslMetadata;

/// For fuzzing: everything here over the same bytes, whatever they are.
#[doc(hidden)]
pub fn try_all(bytes: &[u8]) {
    let attributes = crate::ea::parse(bytes).unwrap_or_default();
    let wsl = WslMetadata::of(&attributes);
    let header = sds::Header::parse(bytes);
    let stored = header.and_then(|header| sds::entry(bytes, &header).ok());
    let mapping = std::str::from_utf8(bytes).ok().and_then(|text| {
        let names = HostNames::parse(text, text);
        UserMapping::parse(text, &names).ok()
    });
    for bytes in [Some(bytes), stored].into_iter().flatten() {
        let Ok(descriptor) = Descriptor::parse(bytes) else { continue };
        let value = ntacl::value(&descriptor);
        assert_eq!(value.len(), bytes.len().saturating_add(8), "Samba's header comes before the descriptor");
        for user_mapping in [None, Some(UserMapping::default()), mapping.clone()] {
            let options = SecurityOptions { user_mapping, owner: None };
            for kind in [vfs::FileType::Directory, vfs::FileType::Regular] {
                let plain = access(Some(&descriptor), kind, &options, None);
                assert!(plain.permissions <= 0o7777, "permissions are 12 bits");
                let _ = access(Some(&descriptor), kind, &options, Some(&wsl));
            }
        }
    }
}
