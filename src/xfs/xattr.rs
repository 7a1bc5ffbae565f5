//! Extended attributes: in the inode, in one block, or in a tree of blocks by the hashes of their names (Linux
//! `libxfs/xfs_attr.c`, `xfs_attr_list.c`).

mod attribute;
mod layout;
mod leaf;
mod remote;
mod short_form;

#[cfg(test)]
mod tests;

use crate::acl;
use crate::da_tree::{self, DaTree};
use crate::filesystem::Xfs;
use crate::fork::{Fork, Which};
use crate::inode::Inode;
use crate::intents::Named;
pub(crate) use attribute::is_name;
use attribute::{Attribute, Namespace, Value};
use leaf::Leaf;
use vfs::reader::corrupt;
use vfs::{Acl, Error, ErrorKind, Result};

/// The longest value (Linux `XFS_XATTR_SIZE_MAX`).
const VALUE_BYTES_MAX: usize = 1 << 16;
/// What the names of one file may take in memory. The kernel lists no more than 64 KiB (`XATTR_LIST_MAX`).
const NAMES_BYTES_MAX: usize = 8 << 20;

/// The full names of the attributes that users see, the raw form of the ACLs (`trusted.SGI_ACL_FILE`) among them.
pub(crate) fn names(fs: &Xfs, inode: &Inode) -> Result<Vec<Vec<u8>>> {
    let (mut names, mut room) = (Vec::new(), NAMES_BYTES_MAX);
    let changed = Changed::of(fs, inode);
    each(fs, inode, &mut |attribute| {
        if changed.find(attribute.namespace, attribute.name).is_some() {
            return Ok(());
        }
        if let Some(name) = attribute.full_name() {
            let left = room.checked_sub(name.len().saturating_add(size_of::<Vec<u8>>()));
            room = left.ok_or_else(|| corrupt(format!("{}: more attributes than can be listed", inode.name())))?;
            names.push(name);
        }
        Ok(())
    })?;
    names.extend(changed.names());
    Ok(names)
}

/// The value of the attribute with this full name.
pub(crate) fn value(fs: &Xfs, inode: &Inode, name: &[u8]) -> Result<Vec<u8>> {
    let found = Namespace::split(name).map(|(namespace, name)| find(fs, inode, namespace, name)).transpose()?;
    found.flatten().ok_or_else(|| Error::new(ErrorKind::NoAttribute, "no such extended attribute"))
}

/// The access-control lists.
pub(crate) fn acl(fs: &Xfs, inode: &Inode) -> Result<Acl> {
    let of = |name: &[u8]| {
        let value = find(fs, inode, Namespace::Trusted, name)?;
        value.map(|value| acl::parse(&value, fs.device.superblock.features.is_v5(), &|| inode.name())).transpose()
    };
    Ok(Acl { access: of(acl::ACCESS)?, default: of(acl::DEFAULT)? })
}

/// Gives every attribute that is whole to `each`: in the inode in their order there, else in that of their hashes.
fn each(fs: &Xfs, inode: &Inode, each: &mut dyn FnMut(&Attribute<'_>) -> Result<()>) -> Result<()> {
    match Form::of(fs, inode)? {
        Form::None => Ok(()),
        Form::Short(fork) => short_form::parse(fork, &|| short_name(inode))?.iter().try_for_each(each),
        Form::Blocks(tree) => leaves(&tree, 0, &mut |leaf| {
            leaf.attributes.iter().try_for_each(|(_, attribute)| each(attribute))?;
            Ok(true)
        }),
    }
}

/// The value of an attribute; `None` when there is no such attribute.
fn find(fs: &Xfs, inode: &Inode, namespace: Namespace, name: &[u8]) -> Result<Option<Vec<u8>>> {
    if let Some(changed) = Changed::of(fs, inode).find(namespace, name) {
        return Ok(changed.value.clone());
    }
    let read = |attribute: &Attribute<'_>| match attribute.value {
        Value::Here(value) => Ok(value.to_vec()),
        Value::Remote { block, length } => remote::read(fs, inode, block, length),
    };
    match Form::of(fs, inode)? {
        Form::None => Ok(None),
        Form::Short(fork) => {
            let attributes = short_form::parse(fork, &|| short_name(inode))?;
            attributes.iter().find(|attribute| attribute.is(namespace, name)).map(read).transpose()
        }
        Form::Blocks(tree) => {
            let (hash, mut found) = (da_tree::hash(name), None);
            leaves(&tree, hash, &mut |leaf| {
                found = leaf.find(hash, namespace, name).map(|attribute| read(&attribute)).transpose()?;
                // Names of one hash may go on in the next leaf.
                Ok(found.is_none() && leaf.hashes.is_none_or(|(_, last)| last <= hash))
            })?;
            Ok(found)
        }
    }
}

/// Attributes whose change was in the log and not finished.
struct Changed<'a>(&'a [Named]);

impl<'a> Changed<'a> {
    fn of(fs: &'a Xfs, inode: &Inode) -> Self {
        Self(fs.finished.named(inode.number))
    }

    fn find(&self, namespace: Namespace, name: &[u8]) -> Option<&'a Named> {
        self.0.iter().find(|named| named.name == name && Namespace::of_flags(named.flags) == Some(namespace))
    }

    /// The full names of those that were set.
    fn names(&self) -> impl Iterator<Item = Vec<u8>> {
        let set = self.0.iter().filter(|named| named.value.is_some());
        set.filter_map(|named| Some([Namespace::of_flags(named.flags)?.prefix()?, &named.name].concat()))
    }
}

/// How the attributes of an inode are kept.
enum Form<'a> {
    None,
    /// In the inode.
    Short(&'a [u8]),
    /// In blocks of the attribute fork, the first of which is a leaf or the root of a tree.
    Blocks(DaTree<'a>),
}

impl<'a> Form<'a> {
    fn of(fs: &'a Xfs, inode: &'a Inode) -> Result<Self> {
        let is_mapped = fs.finished.pieces(inode.number, Which::Attributes).is_some();
        match &inode.attributes {
            None => Ok(Self::None),
            // All of them were removed, and the fork is kept for others.
            Some(Fork::Extents(extents)) if extents.is_empty() && !is_mapped => Ok(Self::None),
            Some(Fork::Local(fork)) => Ok(Self::Short(fork)),
            Some(Fork::Extents(_) | Fork::Tree(_)) => {
                Ok(Self::Blocks(DaTree { fs, inode, which: Which::Attributes, root: 0, block_count: 1 }))
            }
            Some(Fork::Device(_) | Fork::Metadata) => {
                Err(corrupt(format!("{}: a device number for attributes", inode.name())))
            }
        }
    }
}

fn short_name(inode: &Inode) -> String {
    format!("{}: the attributes in it", inode.name())
}

/// Gives the leaves from the first that can hold `hash` on to `each`, in order, until that says false.
fn leaves(tree: &DaTree<'_>, hash: u32, each: &mut dyn FnMut(&Leaf<'_>) -> Result<bool>) -> Result<()> {
    let Some(first) = tree.leaf(hash)? else { return Ok(()) };
    let is_v5 = tree.fs.device.superblock.features.is_v5();
    let (mut greatest, mut last, mut goes_on) = (0, first.0, true);
    tree.leaves_from(first, &mut |number, block| {
        let what = || format!("{}: block {number} of its attributes", tree.inode.name());
        let leaf = Leaf::parse(&block.bytes, is_v5, &what)?;
        if let Some((smallest, last)) = leaf.hashes {
            if smallest < greatest {
                return Err(tree.bad(number, "hashes that belong before those of the leaf before it"));
            }
            greatest = last;
        }
        last = number;
        goes_on = each(&leaf)?;
        Ok(goes_on)
    })?;
    // Where greater hashes are looked for there is no other leaf, or the chain of leaves is torn.
    match greatest.checked_add(1).filter(|_| goes_on).map(|greater| tree.leaf(greater)).transpose()?.flatten() {
        Some((number, _)) if number != last => Err(tree.bad(last, "no leaf behind it, and there are some")),
        _ => Ok(()),
    }
}
