//! Stores of one machine: what they keep, and what they refuse.

mod contract;
mod file_on_disk;
mod full_disk;
mod listing;
mod lock_files;
mod many_processes;
#[cfg(all(feature = "keychain", target_os = "linux"))]
mod no_keychain;
mod one_renewal;
mod other_process;
mod ownership;
mod processes;
mod record_bytes;
mod sealing;
mod service_processes;
mod unreadable;
