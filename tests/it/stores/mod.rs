//! Stores of one machine: what they keep, and what they refuse.

mod contract;
mod file_on_disk;
mod many_processes;
#[cfg(all(feature = "keychain", target_os = "linux"))]
mod no_keychain;
mod one_renewal;
mod other_process;
mod processes;
mod record_bytes;
mod sealing;
mod service_processes;
