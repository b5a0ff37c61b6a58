//! The guide: from an account to a program that stays logged in, and what to do when something is in the way.
//!
//! Start with [`getting_started`] at Auth0, or [`other_providers`]; then the page of what you are writing:
//! [`command_line`], [`desktop`], [`web_backend`], [`services`], and [`testing`] for all of them.
//!
//! What goes deeper stands beside what it is about: calls of an API in [`authorized_client`](crate::authorized_client), one machine, many
//! processes and many machines in [`store`](crate::store), DPoP and FAPI 2.0 in [`dpop`](crate::dpop), Auth0's own calls in
//! [`auth0`](crate::auth0).
//!
//! [`errors`] says what to do about each kind, [`troubleshooting`] lists what people run into, [`migration`] the way from other crates.
//! How the crate is built is in [`architecture`], what it defends against in [`threat_model`], and what
//! it costs, beside other libraries, in [`performance`].

#[doc = include_str!("getting_started.md")]
pub mod getting_started {}
#[doc = include_str!("other_providers.md")]
pub mod other_providers {}
#[doc = include_str!("command_line.md")]
pub mod command_line {}
#[doc = include_str!("desktop.md")]
pub mod desktop {}
#[doc = include_str!("web_backend.md")]
pub mod web_backend {}
#[doc = include_str!("services.md")]
pub mod services {}
#[doc = include_str!("testing.md")]
pub mod testing {}
#[doc = include_str!("errors.md")]
pub mod errors {}
#[doc = include_str!("troubleshooting.md")]
pub mod troubleshooting {}
#[doc = include_str!("migration.md")]
pub mod migration {}
#[doc = include_str!("architecture.md")]
pub mod architecture {}
#[doc = include_str!("conformance.md")]
pub mod conformance {}
#[doc = include_str!("threat_model.md")]
pub mod threat_model {}
#[doc = include_str!("performance.md")]
pub mod performance {}
