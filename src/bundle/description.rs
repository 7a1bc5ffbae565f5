//! Files that describe a recovery point, told from disk images by what is in them.

use crate::SourceError;
use crate::azure::{self, AzureError};
use crate::sealed::{self, BundleError};
use crate::source::is_url;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// What a file is told by, in bytes.
const HEAD_BYTES: u64 = 4096;
/// The longest description in bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// The text of the SOURCE when it is one file that describes a recovery point: a sealed bundle or a script of Azure Backup, both
/// damaged or not. `None` when SOURCE is something else, and for files that cannot be read.
///
/// # Errors
/// When such a file is mixed with other sources, is too long or no text, or a program for Windows.
pub fn read_description(sources: &[String]) -> Result<Option<Zeroizing<String>>, SourceError> {
    for source in sources.iter().filter(|source| !is_url(source)) {
        let Some(text) = read(source)? else { continue };
        if sources.len() > 1 {
            return Err(SourceError::MixedDescription { file: source.clone() });
        }
        return Ok(Some(text));
    }
    Ok(None)
}

fn read(source: &str) -> Result<Option<Zeroizing<String>>, SourceError> {
    // Whatever cannot be read is told where it is opened as a disk image. What is read from a pipe would be missing there.
    let Ok(mut file) = File::open(source) else { return Ok(None) };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    // Room for everything: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(TEXT_BYTES_MAX.saturating_add(2)));
    if (&mut file).take(HEAD_BYTES).read_to_end(&mut bytes).is_err() {
        return Ok(None);
    }
    if is_windows_program(&bytes) {
        return Err(SourceError::WindowsProgram { file: source.to_owned() });
    }
    if !is_text(&bytes) {
        return Ok(None);
    }
    let rest = u64::try_from(TEXT_BYTES_MAX).unwrap_or(u64::MAX).saturating_sub(HEAD_BYTES).saturating_add(1);
    if file.take(rest).read_to_end(&mut bytes).is_err() {
        return Ok(None);
    }
    let too_long = bytes.len() > TEXT_BYTES_MAX;
    let bundle = |error| SourceError::Bundle { file: source.to_owned(), error };
    let script = |error| SourceError::Azure { file: source.to_owned(), error };
    let is_bundle = sealed::looks_like_bundle(&bytes);
    let is_script = !is_bundle && azure::looks_like_script(&String::from_utf8_lossy(&bytes));
    match (is_bundle, is_script) {
        (true, _) if too_long => Err(bundle(BundleError::TooLarge)),
        (_, true) if too_long => Err(script(AzureError::TooLarge)),
        (false, false) => Ok(None),
        (true, _) => text(bytes).map(Some).ok_or_else(|| bundle(BundleError::Damaged("it is no text".to_owned()))),
        // What is no text is in no line that is believed.
        (false, true) => Ok(Some(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))),
    }
}

fn text(mut bytes: Zeroizing<Vec<u8>>) -> Option<Zeroizing<String>> {
    String::from_utf8(std::mem::take(&mut *bytes)).ok().map(Zeroizing::new)
}

/// Whether a text that [`read_description`] gave is a bundle; if not, it is a script.
pub(crate) fn is_bundle(text: &str) -> bool {
    sealed::looks_like_bundle(text.as_bytes())
}

/// The name of the file without its directories, also those of Windows.
pub(crate) fn name(file: &str) -> &str {
    Path::new(file).file_name().and_then(|name| name.to_str()).unwrap_or(file)
}

/// Plain text has no control characters; disk images have, in their first sectors.
fn is_text(head: &[u8]) -> bool {
    !head.is_empty() && head.iter().all(|byte| *byte >= b' ' || b"\t\n\r\x0c".contains(byte))
}

/// "MZ", and where its header says it the signature of a portable executable (the PE format, section "MS-DOS Stub").
fn is_windows_program(head: &[u8]) -> bool {
    const SIGNATURE_OFFSET_AT: usize = 0x3c;
    let offset = head.get(SIGNATURE_OFFSET_AT..).and_then(<[u8]>::first_chunk).map(|bytes| u32::from_le_bytes(*bytes));
    let signature = offset.and_then(|offset| head.get(usize::try_from(offset).ok()?..));
    head.starts_with(b"MZ") && signature.is_some_and(|signature| signature.starts_with(b"PE\0\0"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn described(content: &[u8]) -> Result<bool, SourceError> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let alone = read_description(std::slice::from_ref(&path)).map(|text| text.is_some());
        if alone == Ok(true) {
            let mixed = read_description(&["disk.img".to_owned(), path.clone()]);
            assert_eq!(mixed.unwrap_err(), SourceError::MixedDescription { file: path });
        }
        alone
    }

    #[test]
    fn bundles_and_scripts_are_told_from_disks_by_their_content() {
        assert_eq!(described(b"fr-mount sealed bundle 1\nrest"), Ok(true));
        assert_eq!(described(b"fr-mount sealed bundle"), Ok(true));
        assert_eq!(described(b"#!/usr/bin/python\n# MicrosoftAzureBackupILR \xe9\n"), Ok(true));
        for disk in [&b""[..], b"plain text", b"# Disk DescriptorFile\n", &[0; 8192], b"\xeb\x3c\x90mkfs.fat\0"] {
            assert_eq!(described(disk), Ok(false));
        }
        assert_eq!(read_description(&["/no/such/file".to_owned()]), Ok(None));
        assert_eq!(read_description(&["/dev/null".to_owned()]), Ok(None));
    }

    #[test]
    fn what_is_too_long_or_damaged_is_told() {
        let long = |start: &str| format!("{start}\n{}", " ".repeat(TEXT_BYTES_MAX)).into_bytes();
        let error = |content: &[u8]| described(content).unwrap_err().to_string();
        assert!(error(&long("fr-mount sealed bundle 1")).contains("more than"));
        assert!(error(&long("TargetPortalAddress TargetNodeAddress")).contains("more than"));
        assert!(error(b"fr-mount sealed bundle 1\n\xff").contains("no text"));
    }

    #[test]
    fn a_program_for_windows_is_refused_with_advice() {
        let mut program = vec![0; 1024];
        program[..2].copy_from_slice(b"MZ");
        program[0x3c] = 0x80;
        assert_eq!(described(&program), Ok(false));
        program[0x80..0x84].copy_from_slice(b"PE\0\0");
        assert!(described(&program).unwrap_err().to_string().contains("script for Linux"));
    }
}
