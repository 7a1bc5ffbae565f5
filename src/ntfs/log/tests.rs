//! Logs that Windows wrote, and logs made up here.

mod end_to_end;
mod history;
mod operations;
mod pages;
mod real;
mod seed;
mod volume;
mod writer;
