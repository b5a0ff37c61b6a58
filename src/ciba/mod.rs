//! Logs a person in on their telephone, without a browser (OpenID Connect CIBA Core 1.0, poll mode): for a till, a call centre, or
//! an agent that needs a person's consent. The program names the person and the purpose; the provider asks the person; the program
//! waits for the answer.

mod authentication;
mod login;

#[cfg(any(fuzzing, test))]
pub(crate) use authentication::Answer;
pub use authentication::CibaAuth;
pub use login::CibaLogin;
