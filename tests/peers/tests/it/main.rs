//! One binary for all tests against real peers.

mod asked_by_telephone;
mod authorization_request;
mod bound_tokens;
mod browser_login;
mod browser_logout;
mod callback_pages;
mod device_login;
mod expiries;
mod keychain;
mod lying_provider;
mod machines;
mod peers_themselves;
mod refreshed_tokens;
mod replicas;
mod test_provider_pages;
mod web_app;
