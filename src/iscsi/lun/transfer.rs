//! A read of any length as commands that the unit takes.

use super::LunInfo;
use crate::Error;
use crate::full_feature::Answer;
use crate::handle::Handle;
use crate::scsi::Command;
use bytes::{Bytes, BytesMut};
use std::sync::{Arc, Mutex, PoisonError};

/// No command reads more than this in bytes, whatever the unit allows: what is lost with a connection is small then.
const COMMAND_BYTES_MAX: u32 = 1 << 20;

/// Reads `count` blocks from `lba` on.
pub(super) fn submit(
    handle: &Handle,
    info: &LunInfo,
    lba: u64,
    count: u32,
    done: Box<dyn FnOnce(Result<Bytes, Error>) + Send>,
) {
    let answer = Answer::new(done);
    let fits = lba.checked_add(u64::from(count)).is_some_and(|end| end <= info.blocks);
    if count == 0 || !fits || info.block_bytes == 0 {
        let message = format!("LUN {}: {count} blocks from block {lba} on are not inside the disk", info.lun);
        answer.give(Err(Error::new(crate::ErrorKind::Scsi, message)));
        return;
    }
    let parts: Vec<Command> = commands(info, lba, count).collect();
    if let [command] = parts.as_slice() {
        handle.submit(info.lun, *command, Box::new(move |result| answer.give(result)));
        return;
    }
    let joint =
        Arc::new(Mutex::new(Joint { parts: vec![None; parts.len()], missing: parts.len(), answer: Some(answer) }));
    for (index, command) in parts.into_iter().enumerate() {
        let joint = Arc::clone(&joint);
        let arrived = move |result| {
            let finished = joint.lock().unwrap_or_else(PoisonError::into_inner).take(index, result);
            if let Some((answer, result)) = finished {
                answer.give(result);
            }
        };
        handle.submit(info.lun, command, Box::new(arrived));
    }
}

/// The commands that read these blocks, in order.
fn commands(info: &LunInfo, lba: u64, count: u32) -> impl Iterator<Item = Command> {
    let block_bytes = info.block_bytes;
    let ours = COMMAND_BYTES_MAX.checked_div(block_bytes).unwrap_or(1).max(1);
    let step = info.transfer_blocks_max.map_or(ours, |theirs| ours.min(theirs)).max(1);
    let (mut next, mut left) = (lba, count);
    std::iter::from_fn(move || {
        let blocks = step.min(left);
        if blocks == 0 {
            return None;
        }
        let command = read(next, blocks, block_bytes);
        next = next.saturating_add(u64::from(blocks));
        left = left.saturating_sub(blocks);
        Some(command)
    })
}

/// The shorter command where it reaches: every disk knows it.
fn read(lba: u64, blocks: u32, block_bytes: u32) -> Command {
    let last = lba.saturating_add(u64::from(blocks)).saturating_sub(1);
    match (u32::try_from(lba), u16::try_from(blocks)) {
        (Ok(lba), Ok(blocks)) if u32::try_from(last).is_ok() => Command::Read10 { lba, blocks, block_bytes },
        _ => Command::Read16 { lba, blocks, block_bytes },
    }
}

/// A read that several commands answer together.
struct Joint {
    parts: Vec<Option<Bytes>>,
    missing: usize,
    answer: Option<Answer>,
}

impl Joint {
    /// Takes one part; gives the whole answer when it was the last, or the first that failed.
    fn take(&mut self, index: usize, result: Result<Bytes, Error>) -> Option<(Answer, Result<Bytes, Error>)> {
        match result {
            Err(error) => Some((self.answer.take()?, Err(error))),
            Ok(bytes) => {
                *self.parts.get_mut(index)? = Some(bytes);
                self.missing = self.missing.saturating_sub(1);
                if self.missing > 0 {
                    return None;
                }
                let mut all = BytesMut::with_capacity(self.parts.iter().flatten().map(Bytes::len).sum());
                self.parts.iter().flatten().for_each(|part| all.extend_from_slice(part));
                Some((self.answer.take()?, Ok(all.freeze())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LunNumber;

    fn info(block_bytes: u32, transfer_blocks_max: Option<u32>) -> LunInfo {
        LunInfo {
            lun: LunNumber(0),
            vendor: String::new(),
            product: String::new(),
            revision: String::new(),
            serial: None,
            designators: Vec::new(),
            block_bytes,
            blocks: 1 << 40,
            transfer_blocks_max,
        }
    }

    #[test]
    fn a_read_is_cut_where_the_unit_or_the_command_ends() {
        let cut: Vec<_> = commands(&info(512, Some(100)), 7, 250).collect();
        let read = |lba, blocks| Command::Read10 { lba, blocks, block_bytes: 512 };
        assert_eq!(cut, [read(7, 100), read(107, 100), read(207, 50)]);
        assert_eq!(commands(&info(512, None), 0, 4096).count(), 2, "1 MiB at a time");
        assert_eq!(commands(&info(4096, Some(u32::MAX)), 0, 256).count(), 1);
        assert_eq!(commands(&info(1 << 30, None), 0, 2).count(), 2, "blocks larger than a command");
    }

    #[test]
    fn sixteen_byte_commands_are_used_where_the_address_needs_them() {
        let cut: Vec<_> = commands(&info(512, None), u64::from(u32::MAX), 2049).collect();
        let lba = u64::from(u32::MAX);
        assert_eq!(cut[0], Command::Read16 { lba, blocks: 2048, block_bytes: 512 });
        assert_eq!(cut[1], Command::Read16 { lba: lba + 2048, blocks: 1, block_bytes: 512 });
        let last = commands(&info(512, None), lba, 1).next();
        assert_eq!(last, Some(Command::Read10 { lba: u32::MAX, blocks: 1, block_bytes: 512 }));
    }

    #[test]
    fn parts_are_put_together_in_their_order_however_they_come() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let answer = Answer::new(Box::new(move |result| sender.send(result).unwrap()));
        let mut joint = Joint { parts: vec![None; 3], missing: 3, answer: Some(answer) };
        assert!(joint.take(2, Ok(Bytes::from_static(b"c"))).is_none());
        assert!(joint.take(0, Ok(Bytes::from_static(b"a"))).is_none());
        let (answer, result) = joint.take(1, Ok(Bytes::from_static(b"b"))).unwrap();
        answer.give(result);
        assert_eq!(receiver.recv().unwrap().unwrap(), "abc");
    }

    #[test]
    fn one_failed_part_fails_the_whole_once() {
        let answer = Answer::new(Box::new(|_| {}));
        let mut joint = Joint { parts: vec![None; 2], missing: 2, answer: Some(answer) };
        assert!(joint.take(0, Err(Error::closed())).unwrap().1.is_err());
        assert!(joint.take(1, Err(Error::closed())).is_none());
    }
}
