//! Logs a person in with the browser of another device (RFC 8628): for programs on a machine without a browser, such as over SSH.
//! The program shows a code; the person types it on a telephone or a laptop; the program waits for the confirmation.

mod answer;
mod authorization;
mod login;

#[cfg(any(fuzzing, test))]
pub(crate) use answer::Answer;
pub use authorization::DeviceAuth;
pub use login::DeviceLogin;
