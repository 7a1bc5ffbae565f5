//! Logs that Windows wrote, and logs made up here.

mod history;
mod operations;
mod pages;
mod seed;
mod volume;
mod writer;
