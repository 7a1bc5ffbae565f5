//! The API and the page as clients meet them: over TLS, on the loopback interface.

mod api;
mod description;
mod hostile;
mod support;
