//! Whatever an initiator sends after its login, a target ends with answers that can be understood, and what it reads is
//! what is on the disk.
//!
//! The input is a list of PDUs: a byte with flags, a length, and as many bytes of header and data. With the first flag task
//! tag and CmdSN are put right, so that the input gets further than to the first check.
#![no_main]

#[path = "support/initiator.rs"]
mod initiator;

use block::{BlockSize, MemoryDisk};
use bytes::Bytes;
use initiator::{answers, bytes};
use iscsi::pdu::{LoginRequest, Pdu, Stage, TargetPdu, TransitFlags};
use iscsi::text::Pairs;
use libfuzzer_sys::fuzz_target;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use target::{Export, ExportConfig, Exports, Lookup, Unavailable};

const BLOCK: usize = 512;
const BLOCKS: usize = 512;
const READ_10: u8 = 0x28;

/// Every block is full of its number.
static DISK: LazyLock<Bytes> =
    LazyLock::new(|| (0..BLOCKS * BLOCK / 4).flat_map(|word| ((word / (BLOCK / 4)) as u32).to_be_bytes()).collect());

struct Public(Arc<Export>);

impl Exports for Public {
    fn by_user<'a>(&'a self, _user: &'a str) -> Lookup<'a> {
        Box::pin(std::future::ready(Err(Unavailable::NotFound)))
    }

    fn public(&self) -> Vec<Arc<Export>> {
        vec![Arc::clone(&self.0)]
    }
}

/// A Login Request that is all there is to the login.
fn login(data: Bytes) -> Bytes {
    let request = LoginRequest {
        stage: TransitFlags { current: Stage::Operational, transit_to: Some(Stage::FullFeature), continues: false },
        version_max: 0,
        version_min: 0,
        isid: [0x80, 0, 0, 0, 0, 1],
        tsih: 0,
        initiator_task_tag: 1,
        cid: 1,
        cmd_sn: 0,
        exp_stat_sn: 0,
        data,
    };
    bytes(&request.into_pdu())
}

fuzz_target!(|data: &[u8]| {
    let mut input = Bytes::copy_from_slice(data);
    let mut text = Pairs::default();
    for (key, value) in [("InitiatorName", "iqn.i"), ("TargetName", "iqn.t"), ("MaxBurstLength", "1024")] {
        text.push(key, value);
    }
    let mut sent = login(text.encode()).to_vec();
    let (mut cmd_sn, mut reads) = (0_u32, HashMap::new());
    while input.len() >= 2 {
        let (flags, length) = (input[0], usize::from(input[1]));
        let _ = input.split_to(2);
        let mut header = [0; 48];
        let taken = input.split_to(input.len().min(48));
        header[..taken.len()].copy_from_slice(&taken);
        let data = input.split_to(length.min(input.len()));
        if flags & 1 != 0 {
            let tag = sent.len() as u32;
            header[16..20].copy_from_slice(&tag.to_be_bytes());
            header[24..28].copy_from_slice(&cmd_sn.to_be_bytes());
            cmd_sn = cmd_sn.wrapping_add(u32::from(header[0] & 0x40 == 0));
            if header[0] & 0x3f == 1 && header[32] == READ_10 {
                reads.insert(tag, u32::from_be_bytes([header[34], header[35], header[36], header[37]]));
            }
        }
        sent.extend_from_slice(&bytes(&Pdu::new(header, data)));
    }
    let config = ExportConfig::new("iqn.t", vec![Arc::new(MemoryDisk::new(DISK.clone(), BlockSize::B512))]);
    let export = Export::new(config).expect("the configuration makes sense");
    for pdu in answers(Arc::new(Public(Arc::new(export))), &sent) {
        if let TargetPdu::DataIn(part) = pdu
            && let Some(lba) = reads.get(&part.initiator_task_tag)
        {
            let from = *lba as usize * BLOCK + part.buffer_offset as usize;
            assert_eq!(part.data, DISK.slice(from..from + part.data.len()), "other bytes than on the disk");
        }
    }
});
