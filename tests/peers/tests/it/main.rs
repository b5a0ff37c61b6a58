//! One binary for all tests against real peers.

mod asked_by_telephone;
mod authorization_request;
mod bound_tokens;
mod browser_login;
mod browser_logout;
mod callback_pages;
#[path = "../../../it/counting_allocator.rs"]
#[expect(dead_code, reason = "the storm only wants to know how much is in use")]
mod counting_allocator;
mod device_login;
mod expiries;
mod keychain;
mod lying_provider;
mod machines;
mod peers_themselves;
mod refreshed_tokens;
mod replicas;
#[path = "../../../it/scratch_folder.rs"]
#[expect(dead_code, reason = "tests of files look at more of it")]
mod scratch_folder;
mod storm;
mod test_provider_pages;
mod web_app;
