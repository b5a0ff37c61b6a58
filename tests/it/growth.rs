//! A check that the time of some work grows with the length of its input, and not with its square.

use std::time::{Duration, Instant};

/// Compares an input of `length` with one of an eighth of it. It may take 32 times as long: 8 times would be linear, and 64 times
/// the square. A machine with other work may disturb a few comparisons, not all of them.
///
/// # Panics
/// Panics when no comparison shows linear growth.
pub(crate) fn assert_linear(length: usize, mut work: impl FnMut(usize)) {
    let mut time = |length| {
        let began = Instant::now();
        work(length);
        began.elapsed()
    };
    let mut times = Vec::new();
    for _ in 0..5 {
        let (short, long) = (time(length / 8), time(length));
        if long <= short * 32 + NOISE {
            return;
        }
        times.push((short, long));
    }
    panic!("an eighth of the input, and all of it, took {times:?}");
}

/// Of the clock and of the scheduler.
const NOISE: Duration = Duration::from_millis(20);

#[test]
fn the_square_of_the_length_is_found() {
    let square = |length: usize| {
        for first in 0..length {
            for second in 0..length {
                std::hint::black_box(first ^ second);
            }
        }
    };
    assert!(std::panic::catch_unwind(|| assert_linear(20_000, square)).is_err());
    assert_linear(1_000_000, |length| {
        std::hint::black_box((0..length).fold(0, |sum, number| sum ^ number));
    });
}
