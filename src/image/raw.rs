//! Raw images: byte n of the file is byte n of the disk.

use crate::workers::Workers;
use crate::{Error, container, sys};
use block::{BlockRange, BlockSize, Completion, Disk, Geometry, ReadError, ReadErrorKind};
use bytes::Bytes;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

/// A raw image, or a disk of this machine, opened for reading.
pub struct RawImage {
    image: Arc<Image>,
    geometry: Geometry,
    extra_bytes: u64,
    workers: Workers,
}

struct Image {
    name: String,
    file: File,
}

impl RawImage {
    /// Opens the image at `path`; its logical blocks are taken to be of `block_size`.
    ///
    /// # Errors
    /// When it cannot be opened, holds nothing, or is in a format that is not raw.
    pub fn open(path: &Path, block_size: BlockSize) -> Result<Self, Error> {
        let name = path.display().to_string();
        let metadata = std::fs::metadata(path).map_err(|error| Error::io(&name, error))?;
        if metadata.is_dir() {
            return Err(Error::NotAFile(name));
        }
        let file = File::open(path).map_err(|error| Error::io(&name, error))?;
        Self::from_file(file, &name, block_size)
    }

    /// The image in an open file, which messages call `name`.
    ///
    /// # Errors
    /// As for [`RawImage::open`].
    pub fn from_file(mut file: File, name: &str, block_size: BlockSize) -> Result<Self, Error> {
        // The size of a disk is where its end is; a file's metadata says it for files only. Pipes have no place.
        let bytes = file.seek(SeekFrom::End(0)).map_err(|_| Error::NotAFile(name.to_owned()))?;
        if let Some((format, advice)) = container::recognise(&file, bytes) {
            return Err(Error::Container { image: name.to_owned(), format, advice });
        }
        let blocks = bytes >> block_size.shift();
        let geometry = Geometry::new(block_size, blocks).filter(|_| blocks > 0);
        let geometry = geometry.ok_or_else(|| Error::Empty(name.to_owned()))?;
        let workers = Workers::start().map_err(|error| Error::io(name, error))?;
        let extra_bytes = bytes.saturating_sub(geometry.bytes());
        let image = Arc::new(Image { name: name.to_owned(), file });
        Ok(Self { image, geometry, extra_bytes, workers })
    }

    /// Bytes at the end of the file that are less than a block and so no part of the disk.
    #[must_use]
    pub const fn extra_bytes(&self) -> u64 {
        self.extra_bytes
    }
}

impl Image {
    fn read(&self, offset: u64, length: usize) -> Result<Bytes, ReadError> {
        let mut bytes = vec![0; length];
        sys::read_exact_at(&self.file, offset, &mut bytes).map(|()| bytes.into()).map_err(|error| {
            let detail = match error.kind() {
                std::io::ErrorKind::UnexpectedEof => format!("the disk image '{}' has become shorter", self.name),
                _ => format!("the disk image '{}': {}", self.name, block::io_reason(&error)),
            };
            let length = u64::try_from(length).unwrap_or(u64::MAX);
            ReadError::new(ReadErrorKind::Device, offset, length).with_detail(&detail)
        })
    }
}

impl Disk for RawImage {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn submit(&self, blocks: BlockRange, done: Completion) {
        let shift = self.geometry.block_size().shift();
        let offset = blocks.first.saturating_mul(self.geometry.block_size().bytes().into());
        let bytes = u64::from(blocks.count) << shift;
        let length = usize::try_from(bytes).ok().filter(|_| blocks.fits(self.geometry));
        let Some(length) = length else {
            done(Err(ReadError::new(ReadErrorKind::OutOfRange, offset, bytes)));
            return;
        };
        let image = Arc::clone(&self.image);
        self.workers.run(move || done(image.read(offset, length)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::mpsc;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        file
    }

    fn refusal(content: &[u8]) -> String {
        RawImage::open(file(content).path(), BlockSize::B512).err().expect("it was accepted").to_string()
    }

    fn read(image: &RawImage, first: u64, count: u32) -> Result<Bytes, ReadError> {
        let (sender, receiver) = mpsc::channel();
        image.submit(BlockRange { first, count }, Box::new(move |answer| sender.send(answer).unwrap()));
        receiver.recv().unwrap()
    }

    #[test]
    fn blocks_come_back_as_they_are_and_the_rest_is_told() {
        let content: Vec<u8> = (0..5000_u32).map(|i| i as u8).collect();
        let file = file(&content);
        let image = RawImage::open(file.path(), BlockSize::B512).unwrap();
        assert_eq!((image.geometry().blocks(), image.extra_bytes()), (9, 5000 - 9 * 512));
        assert_eq!(read(&image, 3, 2).unwrap(), content[3 * 512..5 * 512]);
        assert_eq!(read(&image, 8, 2).unwrap_err().kind, ReadErrorKind::OutOfRange);
        let large = RawImage::open(file.path(), BlockSize::B4096).unwrap();
        assert_eq!(large.geometry().blocks(), 1);
        assert_eq!(read(&large, 0, 1).unwrap(), content[..4096]);
    }

    #[test]
    fn many_reads_are_in_flight_and_all_are_answered() {
        let file = file(&[7; 512 * 64]);
        let image = RawImage::open(file.path(), BlockSize::B512).unwrap();
        let (sender, receiver) = mpsc::channel();
        for first in 0..64 {
            let sender = sender.clone();
            image.submit(BlockRange { first, count: 1 }, Box::new(move |answer| sender.send(answer.is_ok()).unwrap()));
        }
        drop((sender, image));
        assert_eq!(receiver.iter().filter(|ok| *ok).count(), 64);
    }

    #[test]
    fn a_file_that_becomes_shorter_is_an_error() {
        let file = file(&[7; 4096]);
        let image = RawImage::open(file.path(), BlockSize::B512).unwrap();
        file.as_file().set_len(1000).unwrap();
        let error = read(&image, 4, 1).unwrap_err();
        assert_eq!(error.kind, ReadErrorKind::Device);
        assert!(error.to_string().contains("shorter"), "{error}");
    }

    #[test]
    fn what_is_no_raw_image_is_refused_by_name() {
        assert!(refusal(&[b"QFI\xfb", &[0; 4096][..]].concat()).contains("qcow2"));
        assert!(refusal(&[b"vhdxfile", &[0; 4096][..]].concat()).contains("VHDX"));
        assert!(refusal(&[&[0; 4096][..], b"conectix", &[0; 504][..]].concat()).contains("VHD"));
        assert!(refusal(&[b"\x28\xb5\x2f\xfd", &[0; 4096][..]].concat()).contains("zstd --decompress"));
        assert!(refusal(b"").contains("empty"));
        assert!(refusal(&[1; 511]).contains("empty"));
        let missing = RawImage::open(Path::new("/no/such/image"), BlockSize::B512).err().unwrap();
        assert!(missing.to_string().contains("does not exist"));
        let directory = tempfile::tempdir().unwrap();
        let directory = RawImage::open(directory.path(), BlockSize::B512).err().unwrap();
        assert!(directory.to_string().contains("not a disk image"));
    }
}
