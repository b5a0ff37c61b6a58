//! The login of a person who is asked on their telephone, without a browser (OpenID Connect CIBA Core 1.0, in its poll mode): for a
//! till, a call centre, an agent that needs a person's word for what it is about to do. The program says who is to be asked and
//! for what; the provider asks; the program waits meanwhile.

mod authentication;
mod login;

#[cfg(any(fuzzing, test))]
pub(crate) use authentication::Answer;
pub use authentication::CibaAuth;
pub use login::CibaLogin;
