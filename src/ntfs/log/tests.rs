//! Logs that Windows wrote, and logs made up here.

mod history;
