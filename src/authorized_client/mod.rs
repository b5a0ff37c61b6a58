//! Calls to an API with a token on every request.

mod authorize;
mod caller;
mod challenge;
pub(crate) mod client;
mod clients;
mod origins;
mod presentation;
mod redirect;
mod renewal;
mod repeat;
mod request;
pub use request::RequestBuilder;
