//! Images that build on others: which files belong to a disk, and an end to chains that have none.

use crate::files::ImageFile;
use crate::{Error, Files};

/// Most images, one on top of the other. Backup programs make chains of some ten.
const LAYERS_MAX: usize = 64;
/// Most files of one disk. VMDK cuts disks into files of 2 GB.
const FILES_MAX: usize = 4096;

/// The files of one disk, as they are found while its image is opened.
pub(crate) struct Chain<'a> {
    files: &'a dyn Files,
    names: Vec<String>,
    /// Names of the images on the way from the first to the one that is being opened.
    layers: Vec<String>,
}

impl<'a> Chain<'a> {
    pub(crate) const fn new(files: &'a dyn Files) -> Self {
        Self { files, names: Vec::new(), layers: Vec::new() }
    }

    /// Opens the next image of the chain.
    pub(crate) fn layer(&mut self, name: &str) -> Result<ImageFile, Error> {
        let problem = |problem: &str| Err(Error::Chain { image: name.to_owned(), problem: problem.to_owned() });
        if self.layers.iter().any(|layer| layer == name) {
            return problem("builds on itself: its chain of images has no end");
        }
        if self.layers.len() >= LAYERS_MAX {
            return problem("is the end of no sensible chain: there are 64 images on top of it");
        }
        let file = self.part(name)?;
        self.layers.push(name.to_owned());
        Ok(file)
    }

    /// Opens a further file of an image.
    pub(crate) fn part(&mut self, name: &str) -> Result<ImageFile, Error> {
        if self.names.len() >= FILES_MAX {
            let problem = format!("is one file too many: a disk of more than {FILES_MAX} files is not read");
            return Err(Error::Chain { image: name.to_owned(), problem });
        }
        let bytes = self.files.open(name)?;
        self.names.push(name.to_owned());
        Ok(ImageFile { name: name.to_owned(), bytes })
    }

    /// The names of all files that were opened, in that order.
    pub(crate) fn into_names(self) -> Vec<String> {
        self.names
    }
}

/// The name of what an image refers to as `reference`: a path from the root, or one from where the image itself is.
pub(crate) fn beside(image: &str, reference: &str) -> String {
    if reference.starts_with('/') {
        return reference.to_owned();
    }
    let mut relative = reference;
    while let Some(rest) = relative.strip_prefix("./") {
        relative = rest.trim_start_matches('/');
    }
    image.rsplit_once('/').map_or_else(|| relative.to_owned(), |(directory, _)| format!("{directory}/{relative}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_joined_to_where_the_image_is() {
        assert_eq!(beside("point/disk.qcow2", "base.qcow2"), "point/base.qcow2");
        assert_eq!(beside("/a/b/disk.vhdx", "././/base.vhdx"), "/a/b/base.vhdx");
        assert_eq!(beside("disk.vhdx", "../base.vhdx"), "../base.vhdx");
        assert_eq!(beside("a/disk.vhdx", "/b/base.vhdx"), "/b/base.vhdx");
    }
}
