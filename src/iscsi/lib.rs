//! iSCSI initiator (RFC 7143): PDUs, login, CHAP, command window, recovery; the SCSI commands that read.
