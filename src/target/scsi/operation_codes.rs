//! REPORT SUPPORTED OPERATION CODES (SPC-4 section 6.35): what a unit can be asked, and which bits of the command count.

use super::Sense;
use super::cdb::ReportOperationCodes;
use super::page_length::{u16_length, u32_length};
use bytes::{BufMut, Bytes, BytesMut};

/// A command: its bytes with every bit set that is looked at. The first is the operation code.
struct Supported {
    usage: &'static [u8],
    /// The lower bits of the second byte are a service action.
    has_service_action: bool,
}

const fn plain(usage: &'static [u8]) -> Supported {
    Supported { usage, has_service_action: false }
}

const fn action(usage: &'static [u8]) -> Supported {
    Supported { usage, has_service_action: true }
}

/// Everything but what is refused because it would write.
const SUPPORTED: [Supported; 28] = [
    plain(&[0x00, 0, 0, 0, 0, 0]),                                  // TEST UNIT READY
    plain(&[0x03, 0x01, 0, 0, 0xff, 0]),                            // REQUEST SENSE
    plain(&[0x08, 0x1f, 0xff, 0xff, 0xff, 0]),                      // READ (6)
    plain(&[0x12, 0x01, 0xff, 0xff, 0xff, 0]),                      // INQUIRY
    plain(&[0x1a, 0x08, 0xff, 0xff, 0xff, 0]),                      // MODE SENSE (6)
    plain(&[0x1b, 0, 0, 0, 0x02, 0]),                               // START STOP UNIT
    plain(&[0x1d, 0xef, 0, 0xff, 0xff, 0]),                         // SEND DIAGNOSTIC
    plain(&[0x1e, 0, 0, 0, 0, 0]),                                  // PREVENT ALLOW MEDIUM REMOVAL
    plain(&[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]),                      // READ CAPACITY (10)
    plain(&[0x28, 0xf8, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0]), // READ (10)
    plain(&[0x2f, 0xf6, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0]), // VERIFY (10)
    plain(&[0x34, 0, 0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0]),    // PRE-FETCH (10)
    plain(&[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0]),                      // SYNCHRONIZE CACHE (10)
    plain(&[0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0]),       // MODE SENSE (10)
    action(&[0x5e, 0x00, 0, 0, 0, 0, 0, 0xff, 0xff, 0]),            // PERSISTENT RESERVE IN: READ KEYS
    action(&[0x5e, 0x01, 0, 0, 0, 0, 0, 0xff, 0xff, 0]),            // READ RESERVATION
    action(&[0x5e, 0x02, 0, 0, 0, 0, 0, 0xff, 0xff, 0]),            // REPORT CAPABILITIES
    action(&[0x5e, 0x03, 0, 0, 0, 0, 0, 0xff, 0xff, 0]),            // READ FULL STATUS
    plain(&LONG_READ),                                              // READ (16)
    plain(&LONG_VERIFY),                                            // VERIFY (16)
    plain(&LONG_PRE_FETCH),                                         // PRE-FETCH (16)
    plain(&[0x91, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),    // SYNCHRONIZE CACHE (16)
    action(&[0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]), // READ CAPACITY (16)
    action(&LBA_STATUS),                                            // GET LBA STATUS
    plain(&[0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0]), // REPORT LUNS
    action(&[0xa3, 0x0c, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]), // this one
    plain(&[0xa8, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]), // READ (12)
    plain(&[0xaf, 0xf6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]), // VERIFY (12)
];
const LONG_READ: [u8; 16] = long(0x88, 0xf8);
const LONG_VERIFY: [u8; 16] = long(0x8f, 0xf6);
const LONG_PRE_FETCH: [u8; 16] = long(0x90, 0);
const LBA_STATUS: [u8; 16] = long(0x9e, 0x12);

/// An address of eight bytes and a length of four.
const fn long(operation_code: u8, flags: u8) -> [u8; 16] {
    let ff = 0xff;
    [operation_code, flags, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, ff, 0, 0]
}

/// REPORTING OPTIONS.
const ALL_COMMANDS: u8 = 0;
const ONE_WITHOUT_SERVICE_ACTION: u8 = 1;
const ONE_WITH_SERVICE_ACTION: u8 = 2;
const ONE_OF_EITHER_KIND: u8 = 3;

/// SUPPORT.
const NOT_SUPPORTED: u8 = 1;
const AS_THE_STANDARD_SAYS: u8 = 3;
/// CTDP in the data about one command, and among the flags of a descriptor.
const ONE_TIMEOUTS: u8 = 0x80;
const LISTED_TIMEOUTS: u8 = 0x02;
/// SERVACTV.
const SERVICE_ACTION_VALID: u8 = 0x01;
/// A command timeouts descriptor that tells none: its length, and the rest.
const TIMEOUTS: [u8; 12] = [0, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

impl Supported {
    fn operation_code(&self) -> u8 {
        self.usage.first().copied().unwrap_or(0)
    }

    fn service_action(&self) -> u16 {
        self.usage.get(1).filter(|_| self.has_service_action).map_or(0, |byte| u16::from(*byte))
    }
}

/// The parameter data.
pub(super) fn report(command: ReportOperationCodes) -> Result<Bytes, Sense> {
    let of_this_code = || SUPPORTED.iter().filter(|supported| supported.operation_code() == command.operation_code);
    let has_actions = of_this_code().any(|supported| supported.has_service_action);
    match command.reporting_options {
        ALL_COMMANDS => return Ok(all(command.timeouts)),
        // The question has to be put as it fits the command.
        ONE_WITHOUT_SERVICE_ACTION if has_actions => return Err(Sense::INVALID_FIELD_IN_CDB),
        ONE_WITH_SERVICE_ACTION if !has_actions && of_this_code().next().is_some() => {
            return Err(Sense::INVALID_FIELD_IN_CDB);
        }
        ONE_WITHOUT_SERVICE_ACTION | ONE_WITH_SERVICE_ACTION | ONE_OF_EITHER_KIND => {}
        _ => return Err(Sense::INVALID_FIELD_IN_CDB),
    }
    let wanted = if has_actions { command.service_action } else { 0 };
    Ok(one(of_this_code().find(|supported| supported.service_action() == wanted), command.timeouts))
}

fn all(timeouts: bool) -> Bytes {
    let mut list = BytesMut::new();
    for supported in &SUPPORTED {
        let action = if supported.has_service_action { SERVICE_ACTION_VALID } else { 0 };
        list.put_slice(&[supported.operation_code(), 0]);
        list.put_u16(supported.service_action());
        list.put_slice(&[0, action | if timeouts { LISTED_TIMEOUTS } else { 0 }]);
        list.put_slice(&u16_length(supported.usage.len()));
        if timeouts {
            list.put_slice(&TIMEOUTS);
        }
    }
    let mut data = BytesMut::new();
    data.put_slice(&u32_length(list.len()));
    data.put(list);
    data.freeze()
}

fn one(supported: Option<&Supported>, timeouts: bool) -> Bytes {
    let Some(supported) = supported else { return Bytes::from_static(&[0, NOT_SUPPORTED, 0, 0]) };
    let mut data = BytesMut::new();
    data.put_slice(&[0, AS_THE_STANDARD_SAYS | if timeouts { ONE_TIMEOUTS } else { 0 }]);
    data.put_slice(&u16_length(supported.usage.len()));
    data.put_slice(supported.usage);
    if timeouts {
        data.put_slice(&TIMEOUTS);
    }
    data.freeze()
}

#[cfg(test)]
mod tests {
    use super::super::cdb::{self, Command};
    use super::*;

    /// A CDB of this code and service action, with nothing else in it that stands against it.
    fn command(code: u8, action: u8) -> Result<Command, Sense> {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1]) = (code, action);
        cdb::parse(&cdb)
    }

    fn ask(reporting_options: u8, operation_code: u8, service_action: u16, timeouts: bool) -> Result<Bytes, Sense> {
        report(ReportOperationCodes {
            timeouts,
            reporting_options,
            operation_code,
            service_action,
            allocation_length: 9,
        })
    }

    #[test]
    fn what_is_told_is_what_is_answered() {
        for code in 0..=u8::MAX {
            for action in 0..0x20 {
                let told = SUPPORTED.iter().any(|it| {
                    it.operation_code() == code && (!it.has_service_action || it.service_action() == u16::from(action))
                });
                let refused = match command(code, action) {
                    Err(sense) => sense == Sense::INVALID_COMMAND_OPERATION_CODE,
                    Ok(Command::Write) => true,
                    Ok(Command::PersistentReserveIn { service_action, .. }) => service_action > 3,
                    Ok(_) => false,
                };
                assert_eq!(told, !refused, "{code:#x}/{action:#x}");
            }
        }
    }

    #[test]
    fn the_list_has_every_command_once_with_its_length() {
        let list = ask(0, 0, 0, false).unwrap();
        assert_eq!(list.len(), 4 + SUPPORTED.len() * 8);
        assert_eq!(list[..4], u32_length(SUPPORTED.len() * 8));
        let long = ask(0, 0, 0, true).unwrap();
        assert_eq!(long.len(), 4 + SUPPORTED.len() * 20);
        for descriptor in list[4..].chunks(8) {
            let length = match descriptor[0] >> 5 {
                0 => 6,
                1 | 2 => 10,
                4 => 16,
                _ => 12,
            };
            assert_eq!(descriptor[7], length, "{descriptor:x?}");
        }
        let mut keys: Vec<_> = list[4..].chunks(8).map(|it| (it[0], it[2], it[3])).collect();
        keys.dedup();
        assert_eq!(keys.len(), SUPPORTED.len());
    }

    #[test]
    fn one_command_is_told_with_the_bits_that_count_and_asked_for_as_it_is() {
        assert_eq!(ask(1, 0x12, 0, false).unwrap(), &[0, 3, 0, 6, 0x12, 1, 0xff, 0xff, 0xff, 0][..]);
        assert_eq!(ask(1, 0x12, 0, true).unwrap().len(), 10 + 12);
        assert_eq!(ask(2, 0x9e, 0x10, false).unwrap()[..6], [0, 3, 0, 16, 0x9e, 0x10]);
        assert_eq!(ask(3, 0x9e, 0x12, false).unwrap()[5], 0x12);
        assert_eq!(ask(3, 0x28, 0, false).unwrap()[4], 0x28);
        for (options, code, action) in [(1, 0x2a, 0), (2, 0x9e, 0x11), (2, 0x2a, 5), (3, 0x5f, 0)] {
            assert_eq!(ask(options, code, action, true).unwrap(), &[0, 1, 0, 0][..], "{code:#x}");
        }
        for (options, code) in [(1, 0x9e), (2, 0x12), (4, 0x12), (7, 0)] {
            assert_eq!(ask(options, code, 0, false), Err(Sense::INVALID_FIELD_IN_CDB));
        }
    }
}
