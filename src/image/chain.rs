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
    /// Files opened, those included that turned out to be no part of the disk.
    opened: usize,
    /// Names of the images on the way from the first to the one that is being opened.
    layers: Vec<String>,
}

impl<'a> Chain<'a> {
    pub(crate) const fn new(files: &'a dyn Files) -> Self {
        Self { files, names: Vec::new(), opened: 0, layers: Vec::new() }
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
        self.opened = self.opened.saturating_add(1);
        if self.opened > FILES_MAX {
            let problem = format!("is one file too many: a disk of more than {FILES_MAX} files is not read");
            return Err(Error::Chain { image: name.to_owned(), problem });
        }
        let bytes = self.files.open(name)?;
        self.names.push(name.to_owned());
        Ok(ImageFile { name: name.to_owned(), bytes })
    }

    /// Finds the image that `image` builds on: the first of `names`, paths from where `image` is, that `is_it`. An
    /// image says of another where it was, not where it is now; so what decides is that the other one is the one it
    /// was made for.
    pub(crate) fn parent(
        &mut self,
        image: &ImageFile,
        names: &[String],
        is_it: &dyn Fn(&ImageFile) -> Result<bool, Error>,
    ) -> Result<ImageFile, Error> {
        let (mut problem, mut tried) = (None, Vec::<String>::new());
        for name in names.iter().map(|name| beside(&image.name, name)) {
            if tried.contains(&name) {
                continue;
            }
            let before = (self.names.len(), self.layers.len());
            match self.layer(&name).and_then(|file| Ok((is_it(&file)?, file))) {
                Ok((true, file)) => return Ok(file),
                Ok((false, _)) => {
                    let wrong =
                        format!("'{name}' is not: its identity is another one, so it was changed or is another disk's");
                    problem.get_or_insert(Error::Parent { image: image.name.clone(), problem: wrong });
                }
                Err(Error::NotFound(_)) => {}
                Err(error) => {
                    problem.get_or_insert(error);
                }
            }
            self.names.truncate(before.0);
            self.layers.truncate(before.1);
            tried.push(name);
        }
        Err(problem.unwrap_or_else(|| {
            let problem = match tried.as_slice() {
                [] => "it does not name".to_owned(),
                tried => format!("is missing; put it beside this one (looked for: {})", tried.join(", ")),
            };
            Error::Parent { image: image.name.clone(), problem }
        }))
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
