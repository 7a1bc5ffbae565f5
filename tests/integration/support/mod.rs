//! What the tests stand on: disk images, real targets and tunnels, the kernel's own view of an image, `fr-mount` itself.

pub(crate) mod azure_portal;
pub(crate) mod balancer;
pub(crate) mod browser;
pub(crate) mod certificates;
pub(crate) mod comparison;
pub(crate) mod disk_file;
pub(crate) mod ext4_image;
pub(crate) mod fr_mount;
pub(crate) mod fr_serve;
pub(crate) mod loop_mount;
pub(crate) mod manifest;
pub(crate) mod ntfs_image;
pub(crate) mod object_store;
pub(crate) mod own_target;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod relay;
pub(crate) mod report;
pub(crate) mod requirements;
pub(crate) mod sample;
pub(crate) mod scratched;
pub(crate) mod sealed;
pub(crate) mod secret_search;
pub(crate) mod stunnel;
pub(crate) mod tgt;
pub(crate) mod volume_group;

pub(crate) use disk_file::DiskFile;
pub(crate) use ext4_image::Ext4Image;
pub(crate) use fr_mount::{FrMount, exit, fr_mount};
pub(crate) use loop_mount::LoopMount;
pub(crate) use manifest::Manifest;
pub(crate) use ntfs_image::NtfsImage;
pub(crate) use process::Background;
pub(crate) use report::Report;
pub(crate) use requirements::{Need, skip_unless};
