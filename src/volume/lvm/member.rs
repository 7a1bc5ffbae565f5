//! Physical volumes: what each of them says of itself and of its group.

use super::area::Contents;
use super::id::Id;
use super::label::Label;
use super::metadata::VolumeGroup;
use crate::Device;
use std::collections::HashMap;
use std::sync::Arc;

/// Metadata areas that are looked at on one physical volume; LVM2 makes two at most.
const AREAS_MAX: usize = 8;

/// A device with a label.
pub(super) struct Member {
    /// Its position in the list that the manager was given.
    pub(super) device: usize,
    /// What messages call it.
    pub(super) name: String,
    /// `None` when the label can no longer be read.
    pub(super) id: Option<Id>,
    /// The newest description of a group that it has; `None` when it has none that can be used.
    pub(super) group: Option<Arc<VolumeGroup>>,
    /// What is wrong with its metadata.
    pub(super) notices: Vec<String>,
}

/// Reads all of them.
pub(super) fn read_all(devices: &[&Device]) -> Vec<Member> {
    let mut reader = Reader::default();
    let read = |(position, device): (usize, &&Device)| {
        let member = match Label::read(device) {
            Ok(Some(label)) => reader.read(device, label),
            Ok(None) => Member::unknown(device, "its label is gone".to_owned()),
            Err(error) => Member::unknown(device, error.to_string()),
        };
        Member { device: position, ..member }
    };
    devices.iter().enumerate().map(read).collect()
}

impl Member {
    fn unknown(device: &Device, notice: String) -> Self {
        Self { device: 0, name: device.name.clone(), id: None, group: None, notices: vec![notice] }
    }
}

/// Reads physical volumes of one group, whose texts are mostly the same.
#[derive(Default)]
pub(super) struct Reader {
    texts: HashMap<Vec<u8>, Result<Arc<VolumeGroup>, String>>,
}

impl Reader {
    /// What the metadata areas that a label names hold.
    pub(super) fn read(&mut self, device: &Device, label: Label) -> Member {
        let mut groups: Vec<Arc<VolumeGroup>> = Vec::new();
        let mut notices = Vec::new();
        for area in label.metadata_areas.iter().take(AREAS_MAX) {
            let text = match Contents::read(device, *area) {
                Ok(Contents::Text(text)) => text,
                Ok(Contents::Nothing | Contents::Ignored) => continue,
                Err(error) => {
                    notices.push(error.to_string());
                    continue;
                }
            };
            match self.parse(text) {
                Ok(group) => groups.push(group),
                Err(what) => notices.push(format!("the metadata area at byte {}: {what}", area.offset)),
            }
        }
        let newest = groups.iter().max_by_key(|group| group.seqno).cloned();
        if let Some(newest) = &newest
            && let Some(older) = groups.iter().find(|group| (group.seqno, &group.id) != (newest.seqno, &newest.id))
        {
            notices.push(format!(
                "its metadata areas disagree: one describes version {} of volume group {}, another version {} of {}; \
                 the newer is used",
                newest.seqno, newest.name, older.seqno, older.name
            ));
        }
        Member { device: 0, name: device.name.clone(), id: Some(label.id), group: newest, notices }
    }

    fn parse(&mut self, text: Vec<u8>) -> Result<Arc<VolumeGroup>, String> {
        if let Some(known) = self.texts.get(&text) {
            return known.clone();
        }
        let parsed = VolumeGroup::parse(&text).map(Arc::new);
        self.texts.insert(text, parsed.clone());
        parsed
    }
}
