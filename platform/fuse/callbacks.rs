//! The kernel's callbacks, answered by an [`Adapter`].

use crate::adapter::{Adapter, flow, listed_only};
use crate::attr::{file_type, no_attr};
use crate::inode_flags::Question;
use crate::{seek, xattrs};
use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    IoctlFlags, KernelConfig, LockOwner, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen, ReplyStatfs,
    ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use std::cell::RefCell;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};
use vfs::{ErrorKind, Stream};

/// Nothing ever changes: the kernel may keep what it was told for as long as the mount lives.
const FOR_EVER: Duration = Duration::from_secs(10 * 365 * 86_400);
/// The largest read in bytes; the kernel asks for no more than it was told to at the start.
const READ_BYTES_MAX: u32 = 1 << 20;
/// How many reads of its own the kernel keeps in flight.
const BACKGROUND_MAX: u16 = 64;
thread_local! {
    /// What a read goes into on its way to the kernel.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Filesystem for Adapter {
    fn init(&mut self, _req: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for wanted in [
            InitFlags::FUSE_POSIX_ACL,
            InitFlags::FUSE_DO_READDIRPLUS,
            InitFlags::FUSE_READDIRPLUS_AUTO,
            InitFlags::FUSE_PARALLEL_DIROPS,
            InitFlags::FUSE_CACHE_SYMLINKS,
            InitFlags::FUSE_ASYNC_DIO,
        ] {
            // Older kernels lack some; all but the first only save time.
            if config.add_capabilities(wanted).is_err() {
                tracing::info!("this kernel's FUSE has no {wanted:?}");
            }
        }
        // Each of them gives back what the kernel allows at most when asked for more.
        let _ = config.set_max_write(READ_BYTES_MAX).or_else(|max| config.set_max_write(max));
        let _ = config.set_max_readahead(u32::MAX).or_else(|max| config.set_max_readahead(max));
        let _ = config.set_max_background(BACKGROUND_MAX).or_else(|max| config.set_max_background(max));
        Ok(())
    }

    fn lookup(&self, _req: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let dir = self.map.node(parent);
        if name.len() > usize::try_from(self.info.name_bytes_max).unwrap_or(usize::MAX) {
            reply.error(Errno::ENAMETOOLONG);
            return;
        }
        let found = self.call("lookup", dir, || match self.fs.lookup(dir, name.as_bytes()) {
            Ok(node) => Ok(Some(node)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        });
        match found {
            Ok(Some(node)) => match self.attr(node, self.map.number(node)) {
                Ok(attr) => reply.entry(&FOR_EVER, &attr, Generation(0)),
                Err(error) => reply.error(error),
            },
            // A node of number 0: the kernel remembers that there is none.
            Ok(None) => reply.entry(&FOR_EVER, &no_attr(), Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _req: &Request, ino: INodeNo, _fh: Option<FileHandle>, reply: ReplyAttr) {
        let node = self.map.node(ino);
        // Users see the number on the disk, of the root too.
        let shown = if node == self.root { INodeNo(node.0) } else { ino };
        match self.attr(node, shown) {
            Ok(attr) => reply.attr(&FOR_EVER, &attr),
            Err(error) => reply.error(error),
        }
    }

    fn readlink(&self, _req: &Request, ino: INodeNo, reply: ReplyData) {
        let node = self.map.node(ino);
        match self.call("link target", node, || self.fs.read_link(node)) {
            Ok(target) => reply.data(&target),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _req: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        if flags.acc_mode() != OpenAccMode::O_RDONLY {
            reply.error(Errno::EROFS);
            return;
        }
        let node = self.map.node(ino);
        // Whether the contents can be read at all is told now, as the kernel's own file systems do.
        let readable = || self.fs.read_at(node, Stream::Main, 0, &mut []).and_then(|_| self.fs.attr(node));
        match self.call("open", node, readable) {
            Ok(attr) => {
                let handle = self.open_files.open(ino, attr.size);
                reply.opened(handle, FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_NOFLUSH);
            }
            Err(error) => reply.error(error),
        }
    }

    fn read(
        &self,
        _req: &Request,
        ino: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let node = self.map.node(ino);
        self.hint(fh, node, offset, size);
        BUFFER.with_borrow_mut(|buffer| {
            let length = usize::try_from(size).unwrap_or_default();
            if buffer.len() < length {
                buffer.resize(length, 0);
            }
            let Some(room) = buffer.get_mut(..length) else { return reply.error(Errno::EIO) };
            let read = self.call("read", node, || self.fs.read_at(node, Stream::Main, offset, room));
            match read.map(|length| buffer.get(..length)) {
                Ok(Some(data)) => reply.data(data),
                Ok(None) => reply.error(Errno::EIO),
                Err(error) => reply.error(error),
            }
        });
    }

    fn flush(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _owner: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _req: &Request,
        _ino: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.open_files.release(fh);
        reply.ok();
    }

    fn releasedir(&self, _req: &Request, _ino: INodeNo, fh: FileHandle, _flags: OpenFlags, reply: ReplyEmpty) {
        self.open_files.release(fh);
        reply.ok();
    }

    fn fsync(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsyncdir(&self, _req: &Request, _ino: INodeNo, _fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn opendir(&self, _req: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        // A directory has no contents to be read ahead, but the kernel keeps its listing.
        let handle = self.open_files.open(ino, 0);
        reply.opened(handle, FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_CACHE_DIR);
    }

    fn readdir(&self, _req: &Request, ino: INodeNo, _fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let listed = self.list(ino, offset, |entry, next| {
            let kind = entry.file_type.or_else(|| self.fs.attr(entry.node).ok().map(|attr| attr.file_type));
            let kind = kind.map_or(fuser::FileType::RegularFile, file_type);
            flow(reply.add(INodeNo(entry.node.0), next, kind, OsStr::from_bytes(entry.name)))
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn readdirplus(&self, _req: &Request, ino: INodeNo, _fh: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        let listed = self.list(ino, offset, |entry, next| {
            let is_dot = matches!(entry.name, b"." | b"..");
            // The kernel takes no node from the dots, so that theirs is the number that users see.
            let ino = if is_dot { INodeNo(entry.node.0) } else { self.map.number(entry.node) };
            let attr = if is_dot { Err(Errno::ENOENT) } else { self.entry_attr(entry, ino) };
            // A node that cannot be read is listed all the same,
            // with attributes that hold for no time: whoever wants to know more gets the error.
            let (ttl, attr) = attr.map_or_else(|_| (Duration::ZERO, listed_only(ino, entry)), |attr| (FOR_EVER, attr));
            let name = OsStr::from_bytes(entry.name);
            flow(reply.add(ino, next, name, &ttl, &attr, Generation(0)))
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    fn statfs(&self, _req: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        let info = &self.info;
        let space = match self.call("space", self.root, || Ok(self.fs.space())) {
            Ok(space) => space,
            Err(error) => return reply.error(error),
        };
        reply.statfs(
            space.blocks,
            space.blocks_free,
            space.blocks_available,
            space.inodes,
            space.inodes_free,
            info.block_size,
            info.name_bytes_max,
            info.block_size,
        );
    }

    fn getxattr(&self, req: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let node = self.map.node(ino);
        let value = self.call("extended attribute", node, || xattrs::get(&*self.fs, node, name.as_bytes(), req.uid()));
        Self::reply_xattr(value, size, reply);
    }

    fn listxattr(&self, req: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let node = self.map.node(ino);
        let names = self.call("extended attributes", node, || xattrs::list(&*self.fs, node, req.uid()));
        Self::reply_xattr(names, size, reply);
    }

    fn ioctl(
        &self,
        _req: &Request,
        ino: INodeNo,
        _fh: FileHandle,
        _flags: IoctlFlags,
        cmd: u32,
        _in_data: &[u8],
        _out_size: u32,
        reply: ReplyIoctl,
    ) {
        let question = match Question::of(cmd) {
            Ok(question) => question,
            Err(error) => return reply.error(error),
        };
        let node = self.map.node(ino);
        match self.call("inode flags", node, || self.fs.flags(node)) {
            Ok(Some(flags)) => reply.ioctl(0, &question.answer(&flags)),
            Ok(None) => reply.error(Errno::ENOTTY),
            Err(error) => reply.error(error),
        }
    }

    fn lseek(&self, _req: &Request, ino: INodeNo, _fh: FileHandle, offset: i64, whence: i32, reply: ReplyLseek) {
        let node = self.map.node(ino);
        if !matches!(whence, seek::SEEK_DATA | seek::SEEK_HOLE) {
            reply.error(Errno::EINVAL);
            return;
        }
        let Ok(from) = u64::try_from(offset) else { return reply.error(Errno::ENXIO) };
        match self.call("seek", node, || seek::seek(&*self.fs, node, from, whence)) {
            Ok(found) => match found.and_then(|offset| i64::try_from(offset).ok()) {
                Some(offset) => reply.offset(offset),
                None => reply.error(Errno::ENXIO),
            },
            Err(error) => reply.error(error),
        }
    }

    // What follows would write.

    fn setattr(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        _size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        reply.error(Errno::EROFS);
    }

    fn mknod(
        &self,
        _req: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        _rdev: u32,
        reply: ReplyEntry,
    ) {
        reply.error(Errno::EROFS);
    }

    fn mkdir(&self, _req: &Request, _parent: INodeNo, _name: &OsStr, _mode: u32, _umask: u32, reply: ReplyEntry) {
        reply.error(Errno::EROFS);
    }

    fn unlink(&self, _req: &Request, _parent: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }

    fn rmdir(&self, _req: &Request, _parent: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }

    fn symlink(&self, _req: &Request, _parent: INodeNo, _name: &OsStr, _target: &Path, reply: ReplyEntry) {
        reply.error(Errno::EROFS);
    }

    fn rename(
        &self,
        _req: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _newparent: INodeNo,
        _newname: &OsStr,
        _flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::EROFS);
    }

    fn link(&self, _req: &Request, _ino: INodeNo, _newparent: INodeNo, _newname: &OsStr, reply: ReplyEntry) {
        reply.error(Errno::EROFS);
    }

    fn create(
        &self,
        _req: &Request,
        _parent: INodeNo,
        _name: &OsStr,
        _mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        reply.error(Errno::EROFS);
    }

    fn write(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _offset: u64,
        _data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        reply.error(Errno::EROFS);
    }

    fn fallocate(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _fh: FileHandle,
        _offset: u64,
        _length: u64,
        _mode: i32,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::EROFS);
    }

    fn copy_file_range(
        &self,
        _req: &Request,
        _ino_in: INodeNo,
        _fh_in: FileHandle,
        _offset_in: u64,
        _ino_out: INodeNo,
        _fh_out: FileHandle,
        _offset_out: u64,
        _len: u64,
        _flags: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        reply.error(Errno::EROFS);
    }

    fn setxattr(
        &self,
        _req: &Request,
        _ino: INodeNo,
        _name: &OsStr,
        _value: &[u8],
        _flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::EROFS);
    }

    fn removexattr(&self, _req: &Request, _ino: INodeNo, _name: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }
}
