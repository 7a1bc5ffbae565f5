//! The security descriptor of a file: by its number through `$Secure`, or, before NTFS 3.0, an attribute of its own.

use crate::bytes::{index, u32_at};
use crate::data::Value;
use crate::index::Index;
use crate::record::{Kind, Reference};
use crate::security::{Descriptor, sds};
use crate::standard_information::StandardInformation;
use crate::store::{Inode, Store};
use std::num::NonZeroUsize;
use std::sync::Arc;
use vfs::reader::{corrupt, missing_is_damage};
use vfs::{Kept, Result};

/// Descriptors that are kept: most volumes have a few hundred, of some hundred bytes each.
const DESCRIPTORS_MAX: NonZeroUsize = NonZeroUsize::new(1024).unwrap();
/// Longer ones are read each time, in bytes: they are rare, and some times longer in memory.
const KEPT_BYTES_MAX: usize = 4096;
/// Bytes of a descriptor at most, as an attribute.
const BYTES_MAX: u64 = 256 << 10;
/// The record of `$Secure`.
const SECURE: Reference = Reference { record: 9, sequence: 0 };
/// `$SII`, the index by number.
const BY_ID: &[u16] = &[0x24, 0x53, 0x49, 0x49];
/// `$SDS`, the descriptors.
const DESCRIPTORS: &[u16] = &[0x24, 0x53, 0x44, 0x53];

/// The descriptors of a volume; `None` for a long one.
pub(crate) struct Descriptors(Kept<u32, Option<Arc<Descriptor>>>);

impl Descriptors {
    pub(crate) fn new() -> Self {
        Self(Kept::new(DESCRIPTORS_MAX))
    }

    /// The descriptor of a file; `None` when it has none.
    ///
    /// # Errors
    /// [`vfs::ErrorKind::Corrupt`] when it is damaged or missing, or what kept it from being read.
    pub(crate) fn of(
        &self,
        store: &Store,
        inode: &Inode,
        standard: &StandardInformation,
    ) -> Result<Option<Arc<Descriptor>>> {
        if let Some(id) = standard.security_id.filter(|id| *id != 0) {
            let short = || {
                let found = by_id(store, id)?;
                Ok(Some(found).filter(|found| found.bytes().len() <= KEPT_BYTES_MAX).map(Arc::new))
            };
            return match self.0.get_or_read(id, short)?.as_ref() {
                Some(kept) => Ok(Some(Arc::clone(kept))),
                None => by_id(store, id).map(|long| Some(Arc::new(long))),
            };
        }
        let Some(own) = Value::find(store, inode, Kind::SECURITY_DESCRIPTOR, &[])? else { return Ok(None) };
        Descriptor::parse(&own.read_all(store, BYTES_MAX)?).map(|own| Some(Arc::new(own)))
    }
}

fn by_id(store: &Store, id: u32) -> Result<Descriptor> {
    let missing = |what: &str| corrupt(format!("$Secure has no {what} for security descriptor {id}"));
    let secure = store.inode(SECURE).map_err(missing_is_damage)?;
    let index_by_id = Index::open(store, &secure, BY_ID)?.ok_or_else(|| missing("index"))?;
    let found = index_by_id.data(&|key| u32_at(key, 0).map(|key| key.cmp(&id)))?;
    let header = sds::by_id(&found.ok_or_else(|| missing("entry"))?, id)?;
    let all = Value::find(store, &secure, Kind::DATA, DESCRIPTORS)?.ok_or_else(|| missing("data"))?;
    let read = |offset: u64| {
        let mut bytes = vec![0; index(header.length)];
        all.read(store, offset, &mut bytes)?;
        sds::entry(&bytes, &header).and_then(Descriptor::parse)
    };
    read(header.offset).or_else(|damage| match header.copy_offset() {
        Some(copy) => read(copy).map_err(|_| damage),
        None => Err(damage),
    })
}
