//! SecurityNegotiation: CHAP, one way or mutual (RFC 7143 sections 9.2 and 12.1).
