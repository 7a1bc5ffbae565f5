//! Where everything is, in words that are unique and always the same.

use super::Scan;
use crate::Group;
use std::collections::HashSet;

impl Scan {
    /// Gives everything its position, now that all groups are known.
    pub(super) fn give_positions(&mut self) {
        let labels = self.labels();
        let mut taken = HashSet::new();
        for number in 0..self.nodes.len() {
            let position = self.position(number, &labels);
            // Names come from disks, and may be alike or look like others.
            let mut unique = position.clone();
            let mut count = 1_u32;
            while !taken.insert(unique.clone()) {
                count = count.saturating_add(1);
                unique = format!("{position}~{count}");
            }
            if let Some(node) = self.nodes.get_mut(number) {
                node.position = unique;
            }
        }
    }

    /// What the volumes of each group are named by: its name, with the beginning of its UUID where several have that.
    fn labels(&self) -> Vec<String> {
        let own = |group: &Group| {
            let uuid = group.uuid.as_deref().unwrap_or_default();
            let short: String = uuid.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
            // Names of arrays and of volume groups do not stand in each other's way.
            let family = group.kind.split(' ').next().unwrap_or_default().to_owned();
            (family, group.name.clone().unwrap_or_else(|| short.clone()), short)
        };
        let own: Vec<_> = self.groups.iter().map(own).collect();
        let shared = |family: &String, name: &String| {
            own.iter().filter(|(other, of, _)| other == family && of == name).count() > 1
        };
        let label = |(family, name, short): &(String, String, String)| {
            if shared(family, name) { format!("{name}-{short}") } else { name.clone() }
        };
        own.iter().map(label).collect()
    }

    fn position(&self, number: usize, labels: &[String]) -> String {
        let Some(node) = self.nodes.get(number) else { return String::new() };
        let Some(group) = node.made_by else { return node.position.clone() };
        let label = labels.get(group).map(String::as_str).unwrap_or_default();
        match (node.volume.partition, node.volume.name.as_str()) {
            (Some(partition), _) => {
                let carrier = self.nodes.iter().find(|carrier| carrier.member_of == Some(group));
                let carrier = carrier.map(|carrier| carrier.position.as_str()).unwrap_or_default();
                format!("{carrier}:{partition}")
            }
            (None, "") => format!("md/{label}"),
            (None, name) => format!("{label}/{name}"),
        }
    }
}
