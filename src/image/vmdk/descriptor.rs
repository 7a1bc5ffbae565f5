//! The descriptor of a VMDK: a text that names the files a disk consists of, and the disk that it builds on.

/// Most extents of a disk.
const EXTENTS_MAX: usize = 2048;

/// A descriptor, checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// The "content ID", which changes with the content; what a child knows its parent by.
    pub(super) content_id: u32,
    pub(super) parent: Option<Parent>,
    pub(super) extents: Vec<Extent>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) content_id: u32,
    pub(super) path: String,
}

/// A part of the disk; they follow one another.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) sectors: u64,
    pub(super) kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Zero,
    /// Bytes of a file, from this sector on.
    Flat(String, u64),
    /// A file with tables.
    Sparse(String),
}

/// Why a descriptor is not used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Damaged(String),
    /// A type of extent that is not read.
    Unsupported(String),
}

impl Descriptor {
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let damaged = |problem: &str| Problem::Damaged(problem.to_owned());
        let (mut content_id, mut parent_id, mut path, mut extents) = (None, None, None, Vec::new());
        for line in text.lines().map(str::trim) {
            if line.starts_with('#') {
                continue;
            }
            let first = line.split_whitespace().next().unwrap_or_default();
            if ["RW", "RDONLY", "NOACCESS"].contains(&first) {
                extents.push(extent(line)?);
                continue;
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            let value = value.trim().trim_matches('"');
            match key.trim() {
                "version" if !matches!(value, "1" | "2" | "3" | "4") => {
                    return Err(Problem::Unsupported(format!("the version {value} of its format")));
                }
                "CID" => content_id = u32::from_str_radix(value, 16).ok(),
                "parentCID" => parent_id = u32::from_str_radix(value, 16).ok(),
                "parentFileNameHint" => path = Some(value.to_owned()),
                _ => {}
            }
        }
        if extents.is_empty() || extents.len() > EXTENTS_MAX {
            return Err(Problem::Damaged(format!("its descriptor names {} extents", extents.len())));
        }
        let content_id = content_id.ok_or_else(|| damaged("its descriptor has no content ID"))?;
        let parent = match (parent_id.filter(|id| *id != u32::MAX), path) {
            (None, None) => None,
            (Some(content_id), Some(path)) => Some(Parent { content_id, path }),
            _ => return Err(damaged("its descriptor says only half of what its parent is")),
        };
        Ok(Self { content_id, parent, extents })
    }
}

/// A line as `RW 4192256 SPARSE "disk-s001.vmdk"` or `RW 63 FLAT "disk-flat.vmdk" 0`.
fn extent(line: &str) -> Result<Extent, Problem> {
    let wrong = || Problem::Damaged(format!("its descriptor has the line '{}'", line.escape_default()));
    let mut quoted = line.splitn(3, '"');
    let mut words = quoted.next().unwrap_or_default().split_whitespace();
    let (access, sectors, kind) = (words.next(), words.next(), words.next().ok_or_else(wrong)?);
    let sectors = sectors.and_then(|sectors| sectors.parse().ok()).ok_or_else(wrong)?;
    let name = quoted.next().map(str::to_owned);
    if access == Some("NOACCESS") {
        return Err(Problem::Unsupported("an extent that may not be read".to_owned()));
    }
    let offset = quoted.next().unwrap_or_default().split_whitespace().next();
    let kind = match kind {
        "ZERO" => Kind::Zero,
        "FLAT" | "VMFS" => {
            let offset = offset.map_or(Ok(0), str::parse).map_err(|_| wrong())?;
            Kind::Flat(name.ok_or_else(wrong)?, offset)
        }
        "SPARSE" => Kind::Sparse(name.ok_or_else(wrong)?),
        other => return Err(Problem::Unsupported(format!("extents of the type {}", other.escape_default()))),
    };
    Ok(Extent { sectors, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Disk DescriptorFile\nversion=1\nCID=12ab34cd\nparentCID=ffffffff\ncreateType=\"twoGbMaxExtentFlat\"\n\n\
        # Extent description\nRW 4192256 FLAT \"a disk-f001.vmdk\" 0\nRW 100 ZERO \nRDONLY 63 VMFS \"b-flat.vmdk\"\n\
        RW 128 SPARSE \"c.vmdk\"\nddb.adapterType = \"ide\"\n";

    #[test]
    fn extents_of_all_kinds_are_found() {
        let found = Descriptor::parse(TEXT).unwrap();
        let extent = |sectors, kind| Extent { sectors, kind };
        let expected = vec![
            extent(4_192_256, Kind::Flat("a disk-f001.vmdk".to_owned(), 0)),
            extent(100, Kind::Zero),
            extent(63, Kind::Flat("b-flat.vmdk".to_owned(), 0)),
            extent(128, Kind::Sparse("c.vmdk".to_owned())),
        ];
        assert_eq!(found, Descriptor { content_id: 0x12ab_34cd, parent: None, extents: expected });
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let refused = |from: &str, to: &str| Descriptor::parse(&TEXT.replace(from, to)).unwrap_err();
        assert!(matches!(refused("RW 100 ZERO", "RW 100 SESPARSE \"x\""), Problem::Unsupported(_)));
        assert!(matches!(refused("RW 100", "NOACCESS 100"), Problem::Unsupported(_)));
        assert!(matches!(refused("version=1", "version=9"), Problem::Unsupported(_)));
        assert!(matches!(refused("RW 100", "RW many"), Problem::Damaged(_)));
        assert!(matches!(refused("CID=12ab34cd", "CID=?"), Problem::Damaged(_)));
        assert!(matches!(refused("parentCID=ffffffff", "parentCID=12345678"), Problem::Damaged(_)));
        assert!(matches!(Descriptor::parse("CID=1"), Err(Problem::Damaged(_))));
    }

    #[test]
    fn a_parent_is_named_and_known_by_its_content_id() {
        let text = TEXT.replace("parentCID=ffffffff", "parentCID=0000000f\nparentFileNameHint=\"base.vmdk\"");
        let parent = Descriptor::parse(&text).unwrap().parent;
        assert_eq!(parent, Some(Parent { content_id: 15, path: "base.vmdk".to_owned() }));
    }
}
