//! One binary for all integration tests.
#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod accepted_issuer;
mod allocations;
mod altered_login;
mod announcement;
mod api_call;
mod api_origins;
mod api_redirects;
mod browser;
mod callback;
mod callback_text;
mod cases;
mod client_auth;
mod client_credentials;
mod counted_source;
mod device;
mod device_pace;
mod discovery;
mod foreign_key;
mod id_token_binding;
mod id_token_claims;
mod id_token_form;
mod id_token_times;
mod listener;
mod login;
mod login_boundaries;
mod manager;
mod published_keys;
mod redaction;
mod revocation;
mod scripted_api;
mod shown;
mod step_up;
#[cfg(unix)]
mod stores;
mod testing_faults;
mod testing_provider;
mod token_answer;
mod token_lifetime;
mod token_refusal;
mod token_transport;
mod two_halves;
mod user_info;
mod virtual_time;
mod way_to_the_provider;
mod wiping;
