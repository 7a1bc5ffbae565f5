//! Operations on blocks of indexes.

use super::node::{Node, Span};
use super::operation::{Data, IndexOperation};
use crate::bytes::{index, u32_at};

/// Where a block has the header of its node.
const NODE: Node = Node { header: 0x18 };

/// Whether this is a block that an operation may change.
pub(super) fn is_sound(block: &[u8]) -> bool {
    block.starts_with(b"INDX") && NODE.is_sound(block, block.len())
}

/// Does an operation on the entry at `at` of a block; `None` when it does not fit.
pub(super) fn change(block: &mut [u8], operation: IndexOperation, at: usize, data: Data<'_>) -> Option<()> {
    if !is_sound(block) {
        return None;
    }
    let end = block.len();
    match operation {
        IndexOperation::AddEntry => {
            NODE.add(block, span(block)?, at, data)?;
        }
        IndexOperation::DeleteEntry => {
            NODE.delete(block, span(block)?, at)?;
        }
        IndexOperation::WriteEnd => NODE.write_end(block, end, at, data)?,
        IndexOperation::SetEntryVcn | IndexOperation::UpdateFileName | IndexOperation::UpdateRecordData => {
            NODE.change(block, end, at, (operation, data))?;
        }
    }
    is_sound(block).then_some(())
}

fn span(block: &[u8]) -> Option<Span> {
    let of = |at| NODE.header.checked_add(index(u32_at(block, NODE.header.checked_add(at)?)?));
    Some(Span { end: block.len(), used: of(4)?, room: of(8)? })
}
