//! Opening an image: its format, its chain, and the disk that comes out of it.

use crate::chain::Chain;
use crate::files::ImageFile;
use crate::{Error, Files, Format, disk, format, qcow2, vhd, vhdx, vmdk};
use block::{BlockSize, Disk, ReadAt};
use std::sync::Arc;

/// How an image is opened.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// Its format if that is known; otherwise its content tells. A raw image that looks like a container is refused
    /// unless it is said here to be raw.
    pub format: Option<Format>,
    /// The logical blocks of a disk whose format does not say it: raw, qcow2. VHD and VMDK have blocks of 512 bytes
    /// always, VHDX says it.
    pub block_size: BlockSize,
}

/// An image that was opened.
pub struct Opened {
    /// The disk in it.
    pub disk: Arc<dyn Disk>,
    /// Its format.
    pub format: Format,
    /// The names of the files that it consists of: itself, then what it builds on.
    pub files: Vec<String>,
}

/// Opens the image `name` and all images that it builds on.
///
/// # Errors
/// When a file of it cannot be found or read, is damaged, or is in a format that is not read.
pub fn open(files: &dyn Files, name: &str, options: &OpenOptions) -> Result<Opened, Error> {
    let mut chain = Chain::new(files);
    let file = chain.layer(name)?;
    let format = options.format.map_or_else(|| format::detect(&file), Ok)?;
    let layer = layer(&mut chain, &file, format, options.block_size)?;
    let disk = disk(layer.content, layer.block_size).ok_or_else(|| Error::Empty(name.to_owned()))?;
    Ok(Opened { disk, format, files: chain.into_names() })
}

/// One image of a chain, with all below it: the bytes of the disk as it shows it.
pub(crate) struct Layer {
    pub(crate) content: Arc<dyn ReadAt>,
    pub(crate) block_size: BlockSize,
}

/// Opens `file`, of which it is known what format it is in, and what it builds on.
pub(crate) fn layer(
    chain: &mut Chain<'_>,
    file: &ImageFile,
    format: Format,
    block_size: BlockSize,
) -> Result<Layer, Error> {
    match format {
        Format::Raw => Ok(Layer { content: Arc::clone(&file.bytes), block_size }),
        Format::Vhd => vhd::open(chain, file),
        Format::Vhdx => vhdx::open(chain, file),
        Format::Qcow2 => qcow2::open(chain, file, block_size),
        Format::Vmdk => vmdk::open(chain, file),
    }
}
