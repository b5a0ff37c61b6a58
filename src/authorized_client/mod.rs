#![doc = include_str!("../docs/api_call.md")]

mod authorize;
mod caller;
pub(crate) mod client;
mod clients;
mod debug_text;
#[cfg(feature = "tower")]
mod layer;
#[cfg(feature = "middleware")]
mod middleware;
mod origins;
mod presentation;
mod redirect;
mod renewal;
mod repeat;
mod request;
#[cfg(feature = "tower")]
mod service;

#[cfg(feature = "tower")]
pub use layer::AuthorizedService;
pub use request::RequestBuilder;
