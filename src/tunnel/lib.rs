//! One byte stream to a peer: TCP, TLS, proxies, peer identity, deadlines.
