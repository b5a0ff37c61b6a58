//! A program with many sessions, in bad weather: the provider and its API go wrong at random, clocks jump, keys are rotated, and callers
//! give up half-way. In `tests/peers` the same storm also strikes a Redis.
//!
//! The program is another process, so that what it holds is only its own. Six seconds, unless `STORM_SECONDS` says otherwise; `STORM_SEED`
//! makes the choices of an earlier storm once more.
#![expect(clippy::print_stdout, reason = "a storm tells its seed and its figures, and the program what it is asked")]

mod course;
mod program;
mod random;
mod rest;
mod sessions;
mod struck_redis;
mod weather;

/// F1, F6, F23, G14
#[test]
fn a_storm_loses_no_session_and_leaves_nothing_behind() {
    course::run("storm::a_storm_loses_no_session_and_leaves_nothing_behind", || None);
}
