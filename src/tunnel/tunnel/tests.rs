mod client_certificate;
mod plain;
mod proxied;
mod trust;
mod versions;
