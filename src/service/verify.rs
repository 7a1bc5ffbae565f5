//! Whether what is in the vault is still what was imported: every file is read and hashed, and every disk is opened.

use crate::vault::{Images, Vault};
use crate::{Error, ErrorKind, FileEntry, Manifest, PointId, VmName};
use futures_util::StreamExt;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::HashSet;

/// Bytes of images that are kept in memory meanwhile.
const CACHE_BYTES: u64 = 64 << 20;
/// What is read at a time, in bytes.
const PIECE_BYTES: u64 = 8 << 20;
/// Pieces that are read ahead.
const PIECES_IN_FLIGHT: usize = 4;

/// What was found out about a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Verified {
    pub(crate) vm: VmName,
    pub(crate) point: PointId,
    /// Bytes that were read.
    pub(crate) bytes: u64,
    /// What is wrong; nothing when all is well.
    pub(crate) problems: Vec<String>,
}

/// Verifies one point.
///
/// # Errors
/// When the vault does not answer. A damaged point is no error: [`Verified::problems`] says what is wrong with it.
pub(crate) async fn verify(
    vault: &Vault,
    vm: &VmName,
    point: &PointId,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Verified, Error> {
    let mut found = Verified { vm: vm.clone(), point: point.clone(), bytes: 0, problems: Vec::new() };
    let manifest = match vault.manifest(vm, point).await {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Err(Error::not_found(format!("there is no point '{point}' of '{vm}'"))),
        Err(error) if error.kind() == ErrorKind::Internal => {
            found.problems.push(error.to_string());
            return Ok(found);
        }
        Err(error) => return Err(error),
    };
    let mut seen = HashSet::new();
    for file in manifest.disks.iter().flat_map(|disk| &disk.files).filter(|file| seen.insert(&file.object)) {
        progress(&format!("reading {vm} {point} {}", file.object));
        match check(vault, &manifest, file).await {
            Ok(bytes) => found.bytes = found.bytes.saturating_add(bytes),
            Err(error) if error.kind() == ErrorKind::Unavailable => return Err(error),
            Err(error) => found.problems.push(error.to_string()),
        }
    }
    if found.problems.is_empty()
        && let Err(error) = Images::new(vault.clone(), CACHE_BYTES).disks(&manifest).await
    {
        found.problems.push(error.to_string());
    }
    Ok(found)
}

/// Reads a file, and says how long it is when it is what was imported.
async fn check(vault: &Vault, manifest: &Manifest, file: &FileEntry) -> Result<u64, Error> {
    let path = file.path(manifest)?;
    let wrong = |what: String| Err(Error::internal(format!("'{path}' is not what was imported: {what}")));
    let bytes = vault.length(&path).await?;
    if bytes != file.bytes {
        return wrong(format!("it has {bytes} bytes instead of {}", file.bytes));
    }
    let pieces = (0..bytes.div_ceil(PIECE_BYTES)).map(|piece| {
        let start = piece.saturating_mul(PIECE_BYTES);
        vault.range(&path, start..start.saturating_add(PIECE_BYTES).min(bytes))
    });
    let mut pieces = futures_util::stream::iter(pieces).buffered(PIECES_IN_FLIGHT);
    let mut hash = Sha256::new();
    while let Some(piece) = pieces.next().await {
        hash.update(&piece?);
    }
    let sha256 = hex::encode(hash.finalize());
    if sha256 != file.sha256 {
        return wrong(format!("its SHA-256 is {sha256} instead of {}", file.sha256));
    }
    Ok(bytes)
}
