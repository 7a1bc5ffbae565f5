//! Seeds whose bytes are changed: an input is the number of a seed and a list of changes (place, value) to those sectors
//! of it that hold anything.

use crate::sparse::{Base, Image};
use std::sync::Arc;

pub struct Seed {
    base: Arc<Base>,
    sectors: Vec<usize>,
}

impl Seed {
    /// The image of this name; `is_used` says which sectors of it hold anything.
    pub fn read(name: &str, is_used: impl Fn(&[u8]) -> bool) -> Self {
        let base = Base::read(name);
        let image = Image::of(&base);
        let sectors = (0..image.len()).step_by(512).filter(|at| is_used(&image.bytes(*at, 512))).collect();
        Self { base, sectors }
    }

    /// The image as it is.
    pub fn sound(&self) -> Image {
        Image::of(&self.base)
    }
}

/// The image that an input asks for; `None` for an empty one.
pub fn changed(seeds: &[Seed], input: &[u8]) -> Option<Image> {
    let (which, changes) = input.split_first()?;
    let seed = &seeds[usize::from(*which) % seeds.len()];
    let mut image = seed.sound();
    for change in changes.chunks_exact(5) {
        let place = u32::from_le_bytes(change[..4].try_into().unwrap()) as usize;
        let sector = seed.sectors[place / 512 % seed.sectors.len()];
        image.write(sector + place % 512, &change[4..]);
    }
    Some(image)
}
