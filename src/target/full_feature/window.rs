//! The CmdSN window: which commands the initiator may send (RFC 7143 section 4.2.2.1).

/// How many commands were received, and how many more are welcome.
#[derive(Debug)]
pub(super) struct CommandWindow {
    expected: u32,
    under_way: u32,
    width: u32,
}

/// Where a numbered command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the next one; it counts now.
    Next,
    /// It is outside the window, or came before: it has to be ignored silently.
    Outside,
    /// One before it is missing, which cannot be on a connection that delivers in order.
    Gap,
}

impl CommandWindow {
    /// A window that starts at the command `expected` and lets `width` commands be under way.
    pub(super) const fn new(expected: u32, width: u32) -> Self {
        Self { expected, under_way: 0, width }
    }

    /// ExpCmdSN.
    pub(super) const fn expected(&self) -> u32 {
        self.expected
    }

    /// MaxCmdSN; the one before ExpCmdSN when nothing more is welcome. It never goes back.
    pub(super) const fn max(&self) -> u32 {
        self.expected.wrapping_add(self.width.saturating_sub(self.under_way)).wrapping_sub(1)
    }

    /// A numbered command arrived.
    pub(super) const fn arrive(&mut self, cmd_sn: u32) -> Arrival {
        let ahead = cmd_sn.wrapping_sub(self.expected);
        if ahead >= self.width.saturating_sub(self.under_way) {
            return Arrival::Outside;
        }
        if ahead > 0 {
            return Arrival::Gap;
        }
        self.expected = self.expected.wrapping_add(1);
        Arrival::Next
    }

    /// A command is carried out from now on. To be called in the same step as [`Self::arrive`], so that MaxCmdSN does
    /// not go back.
    pub(super) const fn begin(&mut self) {
        self.under_way = self.under_way.saturating_add(1);
    }

    /// A command was answered, or aborted.
    pub(super) const fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_taken_in_order_only() {
        let mut window = CommandWindow::new(5, 4);
        assert_eq!(window.arrive(5), Arrival::Next);
        assert_eq!(window.arrive(5), Arrival::Outside, "a duplicate");
        assert_eq!(window.arrive(7), Arrival::Gap);
        assert_eq!(window.arrive(6), Arrival::Next);
        assert_eq!(window.arrive(11), Arrival::Outside, "beyond MaxCmdSN");
        assert_eq!((window.expected(), window.max()), (7, 10));
    }

    #[test]
    fn numbers_wrap_around() {
        let mut window = CommandWindow::new(u32::MAX, 4);
        assert_eq!(window.max(), 2);
        assert_eq!(window.arrive(u32::MAX), Arrival::Next);
        assert_eq!(window.expected(), 0);
        assert_eq!(window.arrive(0), Arrival::Next);
    }

    #[test]
    fn the_window_closes_when_as_many_commands_as_it_is_wide_are_under_way_and_never_goes_back() {
        let mut window = CommandWindow::new(0, 2);
        let mut last = window.max();
        for number in 0..2 {
            assert_eq!(window.arrive(number), Arrival::Next);
            window.begin();
            assert!(window.max().wrapping_sub(last) < 1 << 31);
            last = window.max();
        }
        assert_eq!((window.expected(), window.max()), (2, 1));
        assert_eq!(window.arrive(2), Arrival::Outside);
        window.end();
        assert_eq!(window.max(), 2);
        assert_eq!(window.arrive(2), Arrival::Next);
    }
}
