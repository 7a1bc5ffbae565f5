//! VMDK ("Virtual Disk Format", VMware): one sparse file (as products on a desktop make them, or stream-optimised as
//! in OVF and OVA), or a descriptor with files that are sparse or flat (as ESX makes them); with chains of snapshots.

mod descriptor;
mod sparse;

use crate::chain::{Chain, beside};
use crate::files::ImageFile;
use crate::map::{Mapped, Piece, Place, Tables, damaged};
use crate::open::{self, Layer};
use crate::{Error, Format, windows_path};
use block::{BlockSize, ReadAt, ReadError};
use descriptor::{Descriptor, Kind, Parent, Problem};
use sparse::{SECTOR, Sparse};
use std::sync::Arc;

/// The longest descriptor file, in bytes.
const DESCRIPTOR_BYTES_MAX: u64 = 1 << 20;

/// Opens the VMDK in `file`.
pub(crate) fn open(chain: &mut Chain<'_>, file: &ImageFile) -> Result<Layer, Error> {
    let (descriptor, own) = read(file).map_err(|problem| explain(file, problem))?;
    let (mut extents, mut size, mut own) = (Vec::new(), 0_u64, own);
    for extent in &descriptor.extents {
        let bytes = extent.sectors.checked_mul(SECTOR);
        let end = bytes.and_then(|bytes| size.checked_add(bytes)).filter(|end| *end < 1 << 62);
        let end = end.ok_or_else(|| explain(file, Problem::Damaged("it is larger than can be".to_owned())))?;
        let data = match &extent.kind {
            Kind::Zero => Data::Zero,
            Kind::Flat(name, sector) => {
                let part = chain.part(&beside(&file.name, name))?;
                let start = sector.saturating_mul(SECTOR);
                if start.saturating_add(end.saturating_sub(size)) > part.bytes.size() {
                    return Err(explain(&part, Problem::Damaged("it is cut short".to_owned())));
                }
                Data::Flat(part.bytes, start)
            }
            Kind::Sparse(name) => Data::Sparse(match own.take() {
                Some(own) => own,
                None => {
                    let part = chain.part(&beside(&file.name, name))?;
                    Sparse::open(&part).map_err(|problem| explain(&part, problem))?
                }
            }),
        };
        if matches!(&data, Data::Sparse(sparse) if sparse.capacity < end.saturating_sub(size)) {
            return Err(explain(file, Problem::Damaged("an extent is smaller than its descriptor says".to_owned())));
        }
        extents.push(Extent { start: size, end, data });
        size = end;
    }
    let below = match &descriptor.parent {
        None => None,
        Some(parent) => Some(open_parent(chain, file, parent)?.content),
    };
    let tables = Box::new(Extents { name: file.name.clone(), extents });
    let content = Mapped { name: file.name.clone(), tables, below, size };
    Ok(Layer { content: Arc::new(content), block_size: BlockSize::B512 })
}

fn explain(file: &ImageFile, problem: Problem) -> Error {
    let (image, format) = (file.name.clone(), Format::Vmdk);
    match problem {
        Problem::Damaged(problem) => Error::Damaged { image, format, problem },
        Problem::Unsupported(feature) => {
            Error::Unsupported { image, format, feature, advice: "; convert it with qemu-img or ovftool" }
        }
    }
}

/// The descriptor in `file`, and the sparse extent around it, if it is in one.
fn read(file: &ImageFile) -> Result<(Descriptor, Option<Sparse>), Problem> {
    let damaged = |problem: &str| Problem::Damaged(problem.to_owned());
    let mut magic = [0; 4];
    file.bytes.read_exact_at(0, &mut magic).map_err(|_| damaged("it is too short"))?;
    if &magic != b"KDMV" {
        let size = usize::try_from(file.bytes.size()).ok().filter(|_| file.bytes.size() <= DESCRIPTOR_BYTES_MAX);
        let mut text = vec![0; size.ok_or_else(|| damaged("it is too long for a descriptor"))?];
        file.bytes.read_exact_at(0, &mut text).map_err(|error| Problem::Damaged(error.to_string()))?;
        return Ok((Descriptor::parse(&String::from_utf8_lossy(&text))?, None));
    }
    let sparse = Sparse::open(file)?;
    let text = sparse.descriptor()?.ok_or_else(|| {
        damaged("it is one of several files of a disk; open the file with the descriptor, which names them all")
    })?;
    let descriptor = Descriptor::parse(&text)?;
    match descriptor.extents.as_slice() {
        [extent] if matches!(extent.kind, Kind::Sparse(_)) => Ok((descriptor, Some(sparse))),
        _ => Err(Problem::Unsupported("a descriptor inside of one of several files".to_owned())),
    }
}

fn open_parent(chain: &mut Chain<'_>, file: &ImageFile, parent: &Parent) -> Result<Layer, Error> {
    let mut names = vec![parent.path.clone()];
    names.extend(windows_path::names(&parent.path));
    let found = chain.parent(file, &names, &|candidate| {
        let (descriptor, _) = read(candidate).map_err(|problem| explain(candidate, problem))?;
        Ok(descriptor.content_id == parent.content_id)
    })?;
    open::layer(chain, &found, Format::Vmdk, BlockSize::B512)
}

/// The extents of a disk, in their order, without gaps.
struct Extents {
    name: String,
    extents: Vec<Extent>,
}

/// The bytes of the disk from `start` to `end`.
struct Extent {
    start: u64,
    end: u64,
    data: Data,
}

enum Data {
    Zero,
    Flat(Arc<dyn ReadAt>, u64),
    Sparse(Sparse),
}

impl Tables for Extents {
    fn piece(&self, offset: u64, _wanted: u64) -> Result<Piece, ReadError> {
        let number = self.extents.partition_point(|extent| extent.end <= offset);
        let extent = self.extents.get(number);
        let extent = extent.ok_or_else(|| damaged(&self.name, offset, "no extent holds this part of its disk"))?;
        let (inside, rest) = (offset.saturating_sub(extent.start), extent.end.saturating_sub(offset));
        match &extent.data {
            Data::Zero => Ok(Piece { place: Place::Zeros, length: rest }),
            Data::Flat(file, start) => {
                Ok(Piece { place: Place::File(Arc::clone(file), start.saturating_add(inside)), length: rest })
            }
            Data::Sparse(sparse) => {
                let piece = sparse.piece(inside)?;
                Ok(Piece { length: piece.length.min(rest), ..piece })
            }
        }
    }
}
