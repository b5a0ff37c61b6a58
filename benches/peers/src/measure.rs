//! Variants of the same work, timed in neighbouring pairs, and the tables that come of it.
use std::fmt::Write as _;
use std::future::Future;
use std::hint::black_box;
use std::time::Instant;

use tokio::runtime::Runtime;

/// One way to do the work. A sample is the time of a call, in nanoseconds.
pub struct Variant<'a> {
    name: String,
    sample: Box<dyn FnMut() -> f64 + 'a>,
    allocations: Option<f64>,
}

impl<'a> Variant<'a> {
    pub fn new(name: impl Into<String>, sample: impl FnMut() -> f64 + 'a) -> Self {
        Self { name: name.into(), sample: Box::new(sample), allocations: None }
    }

    pub fn allocations(self, allocations: f64) -> Self {
        Self { allocations: Some(allocations), ..self }
    }

    /// Work without waiting: `calls` of it are a sample.
    pub fn work<T>(name: impl Into<String>, calls: u32, work: impl Fn() -> T + 'a) -> Self {
        let counted = allocation_counter::measure(|| (0..COUNTED).for_each(|_| drop(black_box(work()))));
        let sample = move || {
            let began = Instant::now();
            (0..calls).for_each(|_| drop(black_box(work())));
            nanoseconds(began, calls)
        };
        Self::new(name, sample).allocations(each(counted.count_total))
    }

    /// Work that waits, on this runtime's one thread.
    pub fn waiting<T, F: Future<Output = T>>(
        name: impl Into<String>,
        calls: u32,
        runtime: &'a Runtime,
        work: impl Fn() -> F + 'a,
    ) -> Self {
        // What is slow once, such as a connection, is not what is asked here.
        runtime.block_on(async { drop(black_box(work().await)) });
        let counted = allocation_counter::measure(|| {
            runtime.block_on(async {
                for _ in 0..COUNTED {
                    drop(black_box(work().await));
                }
            });
        });
        let sample = move || {
            let began = Instant::now();
            runtime.block_on(async {
                for _ in 0..calls {
                    drop(black_box(work().await));
                }
            });
            nanoseconds(began, calls)
        };
        Self::new(name, sample).allocations(each(counted.count_total))
    }
}

/// Runs each variant beside the first, which is the floor, in `rounds` pairs, and writes a table. What disturbs the machine
/// disturbs both of a pair, so that the median of the pairs' ratios is worth more than any time.
pub fn table(title: &str, unit: Unit, rounds: usize, mut variants: Vec<Variant<'_>>) -> String {
    let mut floors = Vec::new();
    let mut rows = Vec::new();
    let (floor, others) = variants.split_first_mut().expect("there is a floor");
    // The first pair of each is for warming up.
    for variant in others.iter_mut() {
        let (mut own, mut ratios) = (Vec::new(), Vec::new());
        for round in 0..=rounds {
            let (of_floor, of_variant) = if round % 2 == 0 {
                let of_floor = (floor.sample)();
                (of_floor, (variant.sample)())
            } else {
                let of_variant = (variant.sample)();
                ((floor.sample)(), of_variant)
            };
            if round > 0 {
                floors.push(of_floor);
                own.push(of_variant);
                ratios.push(of_variant / of_floor);
            }
        }
        rows.push((own, ratios));
    }
    let mut table = format!(
        "### {title}\n\n| | {} at best | median | ratio | ratio at best | allocations |\n|---|---|---|---|---|---|\n",
        unit.name()
    );
    let best_floor = minimum(&floors);
    let mut row = |variant: &Variant<'_>, own: &[f64], ratio: Option<f64>| {
        let (ratio, ratio_at_best) = match ratio {
            Some(ratio) => (format!("{ratio:.2}"), format!("{:.2}", minimum(own) / best_floor)),
            None => ("1".to_owned(), "1".to_owned()),
        };
        let allocations = variant.allocations.map_or("–".to_owned(), |count| format!("{count:.0}"));
        let (best, middle) = (unit.of(minimum(own)), unit.of(median(own)));
        writeln!(table, "| {} | {best} | {middle} | {ratio} | {ratio_at_best} | {allocations} |", variant.name)
            .expect("a String takes everything");
    };
    row(floor, &floors, None);
    for (variant, (own, ratios)) in others.iter().zip(&rows) {
        row(variant, own, Some(median(ratios)));
    }
    table
}

#[derive(Clone, Copy)]
pub enum Unit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
        }
    }

    fn of(self, nanoseconds: f64) -> String {
        match self {
            Self::Nanoseconds => format!("{nanoseconds:.0}"),
            Self::Microseconds => format!("{:.2}", nanoseconds / 1e3),
            Self::Milliseconds => format!("{:.0}", nanoseconds / 1e6),
        }
    }
}

pub fn nanoseconds(since: Instant, calls: u32) -> f64 {
    since.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
}

fn each(count: u64) -> f64 {
    count as f64 / f64::from(COUNTED)
}

fn minimum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Calls whose allocations are counted, for the count of one.
const COUNTED: u32 = 100;
