//! Bitmaps of sectors in VHD and VHDX: which of them a block has, and which the image below has.

/// Which bit of a byte comes first.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    HighFirst,
    LowFirst,
}

/// Whether bit `first` of `bitmap` is set, and how many bits from there on are alike; at most `most`. `None` when it
/// has no such bit.
pub(crate) fn run(bitmap: &[u8], first: u64, most: u64, order: Order) -> Option<(bool, u64)> {
    let value = bit(bitmap, first, order)?;
    let mut count: u64 = 1;
    while count < most && bit(bitmap, first.checked_add(count)?, order) == Some(value) {
        count = count.checked_add(1)?;
    }
    Some((value, count))
}

fn bit(bitmap: &[u8], number: u64, order: Order) -> Option<bool> {
    let byte = bitmap.get(usize::try_from(number >> 3).ok()?)?;
    let in_byte = u32::try_from(number & 7).ok()?;
    let mask = match order {
        Order::HighFirst => 0x80_u8.checked_shr(in_byte)?,
        Order::LowFirst => 1_u8.checked_shl(in_byte)?,
    };
    Some(byte & mask != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_the_bit_changes_or_the_bitmap_ends() {
        assert_eq!(run(&[0b1100_0000, 0xFF], 0, 100, Order::HighFirst), Some((true, 2)));
        assert_eq!(run(&[0b1100_0000, 0xFF], 2, 100, Order::HighFirst), Some((false, 6)));
        assert_eq!(run(&[0b1100_0000, 0xFF], 0, 100, Order::LowFirst), Some((false, 6)));
        assert_eq!(run(&[0b1100_0000, 0xFF], 6, 100, Order::LowFirst), Some((true, 10)));
        assert_eq!(run(&[0xFF], 0, 3, Order::LowFirst), Some((true, 3)));
        assert_eq!(run(&[0xFF], 8, 3, Order::LowFirst), None);
    }
}
