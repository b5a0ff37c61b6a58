//! Stores of one machine: what they keep, and what they refuse.

mod contract;
mod file_on_disk;
mod many_processes;
mod other_process;
mod processes;
mod record_bytes;
mod scratch_folder;
mod sealing;
