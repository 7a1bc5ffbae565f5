//! The HTTPS side of the service: the API under `/api/v1`, and the page that uses it. What may be done is decided by
//! [`crate::Service`]; here requests become checked values, and answers become JSON.

mod answers;
mod app;
mod assets;
mod connections;
mod cookie;
mod failures;
mod guard;
mod handlers;
pub mod launcher;
mod problem;
mod request;
mod routes;
mod server;
#[cfg(test)]
mod tests;
mod times;

pub use connections::Limits;
pub use server::{Listener, serve};
