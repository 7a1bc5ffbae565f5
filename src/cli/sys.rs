//! What differs between operating systems: mounting, signals, processes, descriptors, directories.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
mod systemd;
#[cfg(target_os = "linux")]
pub(crate) use linux::{
    MountedVolume, ask_to_stop, check_mount_point, detach, holders, mount_points, now, os_release, remove_dead_mount,
    state_dir, watch_signals, watch_starter,
};
#[cfg(target_os = "linux")]
pub(crate) use systemd::Supervisor;
