//! VHD ("Virtual Hard Disk Image Format Specification", Microsoft, 2006): fixed, dynamic and differencing.
//!
//! A fixed one is the disk followed by a footer. The others have a table that says for each block of the disk where it
//! is in the file; before its data lies a bitmap of its sectors. Sectors that are not in the file are zeros, or the
//! parent's.

mod footer;
mod header;

use crate::bitmap::{self, Order};
use crate::chain::Chain;
use crate::files::ImageFile;
use crate::kept;
use crate::map::{Mapped, Piece, Place, Tables, damaged};
use crate::open::{self, Layer};
use crate::{Error, Format, windows_path};
use block::{BlockSize, ReadAt, ReadError, Slice};
use footer::{Footer, Kind};
use header::Header;
use std::sync::Arc;

/// Bytes of a sector, whatever the disk of the image was.
const SECTOR: u64 = 512;
/// What the table says of a block that is not in the file.
const NOWHERE: u32 = u32::MAX;
/// The largest disk that is read: dynamic ones end at 2 TiB, fixed ones at what a service would take.
const DISK_BYTES_MAX: u64 = 64 << 40;

/// Opens the VHD in `file`.
pub(crate) fn open(chain: &mut Chain<'_>, file: &ImageFile) -> Result<Layer, Error> {
    let footer = read_footer(file)?;
    if footer.size > DISK_BYTES_MAX {
        return Err(problem(file, &format!("its disk would have {} bytes", footer.size)));
    }
    let content: Arc<dyn ReadAt> = match footer.kind {
        Kind::Fixed => {
            let content = Slice::new(Arc::clone(&file.bytes), 0, footer.size);
            Arc::new(content.map_err(|_| problem(file, "it is cut short: its disk is larger than its file"))?)
        }
        Kind::Dynamic(header) => Arc::new(mapped(file, &footer, &read_header(file, header)?, None)),
        Kind::Differencing(header) => {
            let header = read_header(file, header)?;
            let parent = open_parent(chain, file, &header)?;
            Arc::new(mapped(file, &footer, &header, Some(parent.content)))
        }
    };
    Ok(Layer { content, block_size: BlockSize::B512 })
}

fn problem(file: &ImageFile, problem: &str) -> Error {
    Error::Damaged { image: file.name.clone(), format: Format::Vhd, problem: problem.to_owned() }
}

/// The footer at the end of the file, or, of a dynamic image whose end is damaged or missing, its copy at the front.
fn read_footer(file: &ImageFile) -> Result<Footer, Error> {
    let size = file.bytes.size();
    let mut first_problem = None;
    let end = [512, footer::OLD_BYTES].into_iter().filter_map(|length| Some((size.checked_sub(length)?, length)));
    for (offset, length) in end.chain([(0, 512.min(size))]) {
        // The byte that old footers lack is a reserved one, which is zero.
        let mut bytes = [0; footer::BYTES];
        let part = usize::try_from(length).ok().and_then(|length| bytes.get_mut(..length)).unwrap_or_default();
        file.bytes.read_exact_at(offset, part).map_err(|error| Error::read(&file.name, &error))?;
        match Footer::parse(&bytes) {
            // At the front of a fixed image is its disk: what looks like a footer of such a one there says nothing.
            Ok(footer) if offset > 0 || footer.kind != Kind::Fixed => return Ok(footer),
            Err(found) if bytes.starts_with(b"conectix") => {
                first_problem.get_or_insert(found);
            }
            Ok(_) | Err(_) => {}
        }
    }
    Err(problem(file, &first_problem.unwrap_or_else(|| "it has no footer; it is cut short, or no VHD".to_owned())))
}

fn read_header(file: &ImageFile, offset: u64) -> Result<Header, Error> {
    let mut bytes = [0; header::BYTES];
    let read = file.bytes.read_exact_at(offset, &mut bytes);
    read.map_err(|_| problem(file, "its footer says that its header lies outside of its file"))?;
    Header::parse(&bytes).map_err(|found| problem(file, &found))
}

fn mapped(file: &ImageFile, footer: &Footer, header: &Header, below: Option<Arc<dyn ReadAt>>) -> Mapped {
    let bitmap_bytes = (header.block_bytes / SECTOR).div_ceil(8).next_multiple_of(SECTOR);
    let tables = Blocks {
        name: file.name.clone(),
        bytes: Arc::clone(&file.bytes),
        tables: kept::Tables::new(Arc::clone(&file.bytes)),
        table: header.table,
        entries: header.entries,
        block_bytes: header.block_bytes,
        bitmap_bytes,
    };
    Mapped { name: file.name.clone(), tables: Box::new(tables), below, size: footer.size }
}

fn open_parent(chain: &mut Chain<'_>, file: &ImageFile, header: &Header) -> Result<Layer, Error> {
    let mut names = Vec::new();
    for locator in &header.locators {
        let length = usize::try_from(locator.bytes).ok().filter(|length| *length <= windows_path::PATH_BYTES_MAX);
        let length = length.ok_or_else(|| problem(file, "the path of its parent has no sensible length"))?;
        let mut bytes = vec![0; length];
        let read = file.bytes.read_exact_at(locator.offset, &mut bytes);
        read.map_err(|_| problem(file, "the path of its parent lies outside of its file"))?;
        names.extend(windows_path::names(&windows_path::text_of_bytes(&bytes)));
    }
    names.extend(windows_path::names(&header.parent_name));
    let parent = chain.parent(file, &names, &|parent| Ok(read_footer(parent)?.id == header.parent_id))?;
    open::layer(chain, &parent, Format::Vhd, BlockSize::B512)
}

/// The table of a dynamic or differencing image.
struct Blocks {
    name: String,
    bytes: Arc<dyn ReadAt>,
    tables: kept::Tables,
    /// Byte of the file where the table begins.
    table: u64,
    entries: u64,
    /// Bytes of the disk in a block; a power of two.
    block_bytes: u64,
    /// Bytes of the bitmap before a block's data.
    bitmap_bytes: u64,
}

impl Tables for Blocks {
    fn piece(&self, offset: u64, wanted: u64) -> Result<Piece, ReadError> {
        let wrong = |problem: &str| damaged(&self.name, offset, problem);
        let block = offset.checked_div(self.block_bytes).ok_or_else(|| wrong("it has blocks of no bytes"))?;
        let in_block = offset.saturating_sub(block.saturating_mul(self.block_bytes));
        let rest = self.block_bytes.saturating_sub(in_block);
        if block >= self.entries {
            return Err(wrong(&format!("its table ends before block {block}, which is a part of its disk")));
        }
        let sector = u32::from_be_bytes(self.tables.entry::<4>(self.table, block)?);
        if sector == NOWHERE {
            return Ok(Piece { place: Place::Below, length: rest });
        }
        let bitmap_at = u64::from(sector).saturating_mul(SECTOR);
        let (is_here, length) = self.sectors(bitmap_at, in_block, rest.min(wanted))?;
        if !is_here {
            return Ok(Piece { place: Place::Below, length });
        }
        let data = bitmap_at.saturating_add(self.bitmap_bytes).saturating_add(in_block);
        Ok(Piece { place: Place::File(Arc::clone(&self.bytes), data), length })
    }
}

impl Blocks {
    /// Whether the sectors from byte `in_block` of a block on are in the file, and how many bytes this holds for.
    fn sectors(&self, bitmap_at: u64, in_block: u64, wanted: u64) -> Result<(bool, u64), ReadError> {
        let first = in_block / SECTOR;
        let last = in_block.saturating_add(wanted.max(1)).saturating_sub(1) / SECTOR;
        let first_byte = first >> 3;
        let bytes = (last >> 3).saturating_sub(first_byte).saturating_add(1);
        // 64 KiB at most: bits of the sectors of one block.
        let mut bitmap = vec![0; usize::try_from(bytes).unwrap_or(0)];
        self.tables.read(bitmap_at.saturating_add(first_byte), &mut bitmap)?;
        let most = last.saturating_sub(first).saturating_add(1);
        let run = bitmap::run(&bitmap, first & 7, most, Order::HighFirst);
        let (is_here, sectors) = run.ok_or_else(|| damaged(&self.name, in_block, "its bitmap is too short"))?;
        Ok((is_here, sectors.saturating_mul(SECTOR).saturating_sub(in_block % SECTOR)))
    }
}
