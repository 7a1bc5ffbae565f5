//! Logs that no kernel would write, or only when power fails at the right moment.
