use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// Every place in this process's writable memory where the text stands. It is given masked, or it would be found in what looks for it.
pub(super) fn places_of(masked: &[u8]) -> Vec<String> {
    let memory = File::open("/proc/self/mem").unwrap();
    let mut window = vec![0; WINDOW];
    let own = window.as_ptr().addr()..window.as_ptr().addr() + WINDOW;
    let mut places = Vec::new();
    for region in Region::all() {
        let mut start = region.start;
        while start < region.end {
            // What begins at the end of one window is found at the start of the next.
            let length = (region.end - start).min(WINDOW);
            if memory.read_exact_at(&mut window[..length], u64::try_from(start).unwrap()).is_err() {
                break;
            }
            let found = offsets(&window[..length], masked).into_iter().map(|offset| start + offset);
            places.extend(found.filter(|place| !own.contains(place)).map(|place| format!("{place:x} in {}", region.name)));
            if length < WINDOW {
                break;
            }
            start += WINDOW - masked.len() + 1;
        }
    }
    places
}

pub(super) fn masked(text: &[u8]) -> Vec<u8> {
    text.iter().map(|byte| byte ^ MASK).collect()
}

fn offsets(window: &[u8], masked: &[u8]) -> Vec<usize> {
    let first = masked[0] ^ MASK;
    let mut found = Vec::new();
    for (offset, byte) in window.iter().enumerate() {
        if *byte == first && window[offset..].len() >= masked.len() {
            let same = masked.iter().zip(&window[offset..]).all(|(masked, byte)| masked ^ MASK == *byte);
            if same {
                found.push(offset);
            }
        }
    }
    found
}

struct Region {
    start: usize,
    end: usize,
    name: String,
}

impl Region {
    /// Lines such as `7f0c-7f0d rw-p 00000000 00:00 0 [heap]`.
    fn all() -> Vec<Self> {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let writable = maps.lines().filter_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (start, end) = range.split_once('-')?;
            let number = |text| usize::from_str_radix(text, 16).unwrap();
            let name = rest.split_whitespace().nth(4).unwrap_or("memory without a name").to_owned();
            rest.starts_with("rw").then(|| Self { start: number(start), end: number(end), name })
        });
        writable.collect()
    }
}

const WINDOW: usize = 1 << 20;
const MASK: u8 = 0x5a;
