//! The command window: which commands the target is ready to take (RFC 7143 section 4.2.2.1).

use crate::pdu::StatusNumbers;

/// CmdSN, ExpCmdSN and MaxCmdSN as the initiator keeps them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommandWindow {
    next: u32,
    expected: u32,
    max: u32,
}

/// Whether `a` comes after `b` in serial number arithmetic (RFC 1982 with 32 bits).
pub(crate) const fn is_after(a: u32, b: u32) -> bool {
    let distance = a.wrapping_sub(b);
    distance != 0 && distance < 1 << 31
}

impl CommandWindow {
    /// The window as the last login response tells it; `next` is the CmdSN of the first command.
    pub(crate) const fn new(next: u32, numbers: StatusNumbers) -> Self {
        Self { next, expected: numbers.exp_cmd_sn, max: numbers.max_cmd_sn }
    }

    /// CmdSN of the next command; immediate ones carry it too.
    pub(crate) const fn next(&self) -> u32 {
        self.next
    }

    /// Takes a CmdSN for a command, if the target has room for it.
    pub(crate) const fn take(&mut self) -> Option<u32> {
        if is_after(self.next, self.max) {
            return None;
        }
        let taken = self.next;
        self.next = taken.wrapping_add(1);
        Some(taken)
    }

    /// Takes over what a PDU says, unless it is older than what is known or impossible.
    pub(crate) const fn update(&mut self, numbers: StatusNumbers) {
        if is_after(numbers.exp_cmd_sn.wrapping_sub(1), numbers.max_cmd_sn) {
            return;
        }
        if is_after(numbers.max_cmd_sn, self.max) {
            self.max = numbers.max_cmd_sn;
        }
        if is_after(numbers.exp_cmd_sn, self.expected) {
            self.expected = numbers.exp_cmd_sn;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn numbers(exp_cmd_sn: u32, max_cmd_sn: u32) -> StatusNumbers {
        StatusNumbers { stat_sn: 0, exp_cmd_sn, max_cmd_sn }
    }

    #[test]
    fn no_more_commands_are_taken_than_the_target_has_room_for() {
        let mut window = CommandWindow::new(7, numbers(7, 8));
        assert_eq!([window.take(), window.take(), window.take()], [Some(7), Some(8), None]);
        assert_eq!(window.next(), 9);
        window.update(numbers(8, 9));
        assert_eq!([window.take(), window.take()], [Some(9), None]);
    }

    #[test]
    fn a_closed_window_lets_nothing_through() {
        let mut window = CommandWindow::new(7, numbers(7, 6));
        assert_eq!(window.take(), None);
    }

    #[test]
    fn the_numbers_go_round() {
        let mut window = CommandWindow::new(u32::MAX, numbers(u32::MAX, 0));
        assert_eq!([window.take(), window.take(), window.take()], [Some(u32::MAX), Some(0), None]);
        window.update(numbers(0, 1));
        assert_eq!(window.take(), Some(1));
    }

    #[test]
    fn old_and_impossible_numbers_are_not_taken_over() {
        let mut window = CommandWindow::new(10, numbers(10, 20));
        window.update(numbers(8, 15));
        window.update(numbers(40, 30));
        assert_eq!((window.expected, window.max), (10, 20));
        window.update(numbers(12, 11));
        assert_eq!((window.expected, window.max), (12, 20), "a window never shrinks");
    }

    proptest! {
        #[test]
        fn what_is_taken_is_never_beyond_the_maximum(start: u32, updates in proptest::collection::vec((0_u32..64, 0_u32..64), 1..40)) {
            let mut window = CommandWindow::new(start, numbers(start, start.wrapping_sub(1)));
            for (expected, max) in updates {
                window.update(numbers(start.wrapping_add(expected), start.wrapping_add(max)));
                while let Some(taken) = window.take() {
                    prop_assert!(!is_after(taken, window.max));
                }
            }
        }
    }
}
