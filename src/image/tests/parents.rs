//! Differencing images, made by a script from the specifications.
