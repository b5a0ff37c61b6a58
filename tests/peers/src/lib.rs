//! Real peers for the library to meet: identity providers that others wrote, a person at a real browser, a real Redis, and
//! other replicas of a program.
//!
//! Each runs as a child process on a free port of 127.0.0.1 and ends when its handle is dropped. A peer that does not
//! start makes the test fail with what it printed; no test is ever skipped.

mod authority;
mod inspection;
mod interrupted;
mod mock_server;
mod oidc_provider;
mod person;
mod process;
mod redis_fleet;
mod redis_server;
mod redis_watch;
mod replica;
mod severed;
mod signal;

pub use authority::{Authority, Certificate};
pub use inspection::InspectedPage;
pub use interrupted::{Interrupted, Moment};
pub use mock_server::MockServer;
pub use oidc_provider::OidcProvider;
pub use person::{Person, PersonsBrowser};
pub use redis_fleet::{RedisCluster, RedisSentinel, SERVICE};
pub use redis_server::RedisServer;
pub use redis_watch::RedisWatch;
pub use replica::{Answer, Replica};
pub use severed::Severed;
pub use signal::Signal;
