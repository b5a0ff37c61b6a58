//! The login of a person in a browser on another device (RFC 8628): for programs on a machine that has no browser, as over
//! SSH. The program shows a code; the person types it on a telephone or a laptop; the program waits meanwhile.

mod answer;
mod authorization;
mod login;

#[cfg(any(fuzzing, test))]
pub(crate) use answer::Answer;
pub use authorization::DeviceAuth;
pub use login::DeviceLogin;
