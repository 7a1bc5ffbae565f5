//! VHDX (MS-VHDX): fixed, dynamic and differencing; a log that was not replayed is replayed in memory.
//!
//! The block allocation table says for each block of the disk where it is in the file. Of a differencing image it also
//! says where bitmaps are, which tell for the sectors of a block whether this image has them or its parent.

mod header;
mod log;
mod metadata;
mod region;
mod replayed;

use crate::bitmap::{self, Order};
use crate::chain::Chain;
use crate::files::ImageFile;
use crate::kept;
use crate::map::{Mapped, Piece, Place, Tables, damaged};
use crate::open::{self, Layer};
use crate::{Error, Format, windows_path};
use block::{BlockSize, ReadAt, ReadError};
use metadata::{Metadata, Parent};
use region::Region;
use replayed::Replayed;
use std::sync::Arc;

/// Sectors whose bits one bitmap holds, 1 MiB.
const BITMAP_SECTORS: u64 = 1 << 23;

/// Opens the VHDX in `file`.
pub(crate) fn open(chain: &mut Chain<'_>, file: &ImageFile) -> Result<Layer, Error> {
    let wrong = |problem: String| damaged_image(file, problem);
    let header = header::read(file).map_err(wrong)?;
    let bytes: Arc<dyn ReadAt> = match header.log {
        None => Arc::clone(&file.bytes),
        Some(log) => {
            let edits = log::replay(&file.bytes, &log).map_err(wrong)?;
            Arc::new(Replayed { file: Arc::clone(&file.bytes), edits })
        }
    };
    let regions = region::read(&bytes).map_err(wrong)?;
    let metadata = metadata::read(&bytes, regions.metadata).map_err(wrong)?;
    let below = match &metadata.parent {
        None => None,
        Some(parent) => Some(open_parent(chain, file, parent)?.content),
    };
    let bat = Bat::new(file, bytes, regions.bat, &metadata).map_err(wrong)?;
    let content = Mapped { name: file.name.clone(), tables: Box::new(bat), below, size: metadata.disk_bytes };
    Ok(Layer { content: Arc::new(content), block_size: metadata.sector })
}

fn damaged_image(file: &ImageFile, problem: String) -> Error {
    Error::Damaged { image: file.name.clone(), format: Format::Vhdx, problem }
}

fn open_parent(chain: &mut Chain<'_>, file: &ImageFile, parent: &Parent) -> Result<Layer, Error> {
    let names: Vec<_> = parent.paths.iter().flat_map(|path| windows_path::names(path)).collect();
    let found = chain.parent(file, &names, &|candidate| {
        let header = header::read(candidate).map_err(|problem| damaged_image(candidate, problem))?;
        Ok(parent.linkage.contains(&header.data_write_guid))
    })?;
    open::layer(chain, &found, Format::Vhdx, BlockSize::B512)
}

/// The GUID that the specification writes in this way, as it lies in a file.
const fn guid(first: u32, second: u16, third: u16, rest: u64) -> [u8; 16] {
    let ([a, b, c, d], [e, f], [g, h]) = (first.to_le_bytes(), second.to_le_bytes(), third.to_le_bytes());
    let [i, j, k, l, m, n, o, p] = rest.to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

/// The block allocation table (MS-VHDX 2.5).
struct Bat {
    name: String,
    bytes: Arc<dyn ReadAt>,
    tables: kept::Tables,
    region: Region,
    block_bytes: u64,
    sector_bytes: u64,
    /// Blocks whose sectors have their bits in one bitmap; its entry follows theirs.
    chunk_blocks: u64,
    has_parent: bool,
}

impl Bat {
    fn new(file: &ImageFile, bytes: Arc<dyn ReadAt>, region: Region, metadata: &Metadata) -> Result<Self, String> {
        let (block_bytes, sector_bytes) = (metadata.block_bytes, u64::from(metadata.sector.bytes()));
        let chunk_blocks =
            BITMAP_SECTORS.saturating_mul(sector_bytes).checked_div(block_bytes).filter(|blocks| *blocks > 0);
        let chunk_blocks = chunk_blocks.ok_or_else(|| "its blocks are too large".to_owned())?;
        let has_parent = metadata.parent.is_some();
        let tables = kept::Tables::new(Arc::clone(&bytes));
        let bat = Self {
            name: file.name.clone(),
            bytes,
            tables,
            region,
            block_bytes,
            sector_bytes,
            chunk_blocks,
            has_parent,
        };
        let last = metadata.disk_bytes.saturating_sub(1).checked_div(block_bytes).unwrap_or(0);
        let last_entry = if has_parent { bat.bitmap_entry(last) } else { bat.block_entry(last) };
        if last_entry >= region.bytes / 8 {
            return Err("its block allocation table is too short for its disk".to_owned());
        }
        Ok(bat)
    }

    /// Which entry is that of a block.
    fn block_entry(&self, block: u64) -> u64 {
        block.saturating_add(self.chunk(block))
    }

    /// Which entry is that of the bitmap for a block's sectors.
    fn bitmap_entry(&self, block: u64) -> u64 {
        let of_chunk = self.chunk_blocks.saturating_add(1);
        self.chunk(block).saturating_mul(of_chunk).saturating_add(self.chunk_blocks)
    }

    fn chunk(&self, block: u64) -> u64 {
        block.checked_div(self.chunk_blocks).unwrap_or(0)
    }

    /// The state in an entry, and the byte of the file that it points to.
    fn entry(&self, number: u64) -> Result<(u64, u64), ReadError> {
        let entry = u64::from_le_bytes(self.tables.entry::<8>(self.region.offset, number)?);
        Ok((entry & 7, entry >> 20 << 20))
    }

    /// Whether the sectors from byte `in_block` of a block on are in this image, and how many bytes this holds for.
    fn sectors(&self, block: u64, in_block: u64, wanted: u64) -> Result<(bool, u64), ReadError> {
        let wrong = |problem: &str| damaged(&self.name, in_block, problem);
        let (state, bitmap) = self.entry(self.bitmap_entry(block))?;
        if state != 6 || bitmap == 0 {
            return Err(wrong("a bitmap of sectors is missing"));
        }
        let of_block = self.block_bytes.checked_div(self.sector_bytes).unwrap_or(0);
        let block_in_chunk = block.saturating_sub(self.chunk(block).saturating_mul(self.chunk_blocks));
        let bit = |byte: u64| {
            let in_block = byte.checked_div(self.sector_bytes).unwrap_or(0);
            block_in_chunk.saturating_mul(of_block).saturating_add(in_block)
        };
        let (first, last) = (bit(in_block), bit(in_block.saturating_add(wanted.max(1)).saturating_sub(1)));
        let first_byte = first >> 3;
        // 64 KiB at most: bits of the sectors of one block.
        let bytes = (last >> 3).saturating_sub(first_byte).saturating_add(1);
        let mut bits = vec![0; usize::try_from(bytes).unwrap_or(0)];
        self.tables.read(bitmap.saturating_add(first_byte), &mut bits)?;
        let most = last.saturating_sub(first).saturating_add(1);
        let run = bitmap::run(&bits, first & 7, most, Order::LowFirst);
        let (is_here, sectors) = run.ok_or_else(|| wrong("a bitmap of sectors is too short"))?;
        let in_sector = in_block.checked_rem(self.sector_bytes).unwrap_or(0);
        Ok((is_here, sectors.saturating_mul(self.sector_bytes).saturating_sub(in_sector)))
    }
}

impl Tables for Bat {
    fn piece(&self, offset: u64, wanted: u64) -> Result<Piece, ReadError> {
        let wrong = |problem: &str| damaged(&self.name, offset, problem);
        let block = offset.checked_div(self.block_bytes).unwrap_or(0);
        let in_block = offset.saturating_sub(block.saturating_mul(self.block_bytes));
        let rest = self.block_bytes.saturating_sub(in_block);
        let (state, block_at) = self.entry(self.block_entry(block))?;
        let stored = |length: u64| {
            if block_at == 0 {
                return Err(wrong("its table says that a block is at the start of its file"));
            }
            Ok(Piece { place: Place::File(Arc::clone(&self.bytes), block_at.saturating_add(in_block)), length })
        };
        match state {
            // "Not present": the parent's. "Undefined", "zero", "unmapped": what was there does not matter any more.
            0 => Ok(Piece { place: Place::Below, length: rest }),
            1..=3 => Ok(Piece { place: Place::Zeros, length: rest }),
            6 => stored(rest),
            7 if self.has_parent => {
                let (is_here, length) = self.sectors(block, in_block, rest.min(wanted))?;
                if is_here { stored(length) } else { Ok(Piece { place: Place::Below, length }) }
            }
            _ => Err(wrong(&format!("its table gives block {block} the state {state}, which there is not"))),
        }
    }
}
