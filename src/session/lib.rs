//! Builds the chain bottom up, watches the clock, takes it down in reverse.
