//! An identity provider, the person in front of it and an API, all inside the process: for the tests of programs that use this crate.
//!
//! [`TestProvider`] is the provider, over real HTTP on loopback; [`TestBrowser`] is the person; [`Api`] wants the token;
//! [`TestClock`] is the time. [`store_contract`] tests a custom store. All requests are counted, and fail on demand: see [`Fault`]
//! and [`TokenDraft`]. The keys in here are public: nothing of this module is for production.
//!
//! What is wrong in a test itself (a port that is taken, a status of 1000) is a panic; what a program under test can meet is not.

mod accounts;
mod answer;
mod authorize;
mod ciba;
mod client_authentication;
mod device;
mod discovery;
mod edit;
mod exchanges;
mod grants;
mod gzip;
mod keys;
mod login;
mod logout;
mod pages;
mod passwordless;
mod proof;
mod pushed;
mod registration;
mod request_object;
mod revocation;
mod second_factor;
mod server;
mod signed;
mod tenant;
mod token_endpoint;
mod tokens;
mod userinfo;

mod api;
pub use api::Api;
mod browser;
pub use browser::{Page, TestBrowser};
mod builder;
pub use builder::TestProviderBuilder;
mod client;
pub use client::TestClient;
mod clock;
pub use clock::TestClock;
mod contract;
pub use contract::store_contract;
mod endpoint;
pub use endpoint::Endpoint;
mod fault;
pub use fault::Fault;
mod intake;
pub use intake::Gate;
mod provider;
pub use provider::TestProvider;
mod seen;
pub use seen::SeenRequest;
mod token_draft;
pub use token_draft::{PublicKeyForm, TokenDraft};
mod user;
pub use user::TestUser;
