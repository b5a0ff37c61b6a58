//! Counts what the current thread allocates, and what it leaves behind in memory that it frees.
#![allow(unsafe_code, reason = "a global allocator is an unsafe trait; this one only counts and looks")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Bytes that this thread has allocated more than it has freed, and the most that these were.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST_HELD: Cell<isize> = const { Cell::new(0) };
}

/// Of all threads.
static LIVE_BYTES: AtomicIsize = AtomicIsize::new(0);
/// The text to search for in freed blocks, masked: `look` would leave it on the stack of each thread. All threads search, because
/// requests and renewals run on another thread.
static LOOKED_FOR: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
static IS_LOOKING: AtomicBool = AtomicBool::new(false);
static LEFT_BEHIND: AtomicU64 = AtomicU64::new(0);
/// Freed blocks are overwritten: a block that is used again without being written has no old text then.
static IS_WIPING: AtomicBool = AtomicBool::new(false);
/// One search at a time.
static SEARCH: Mutex<()> = Mutex::new(());

const MASK: u8 = 0xa5;

fn count(size: usize) {
    // A thread that ends frees its locals and may allocate later; nobody counts it then.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
    hold(size.cast_signed());
}

fn hold(bytes: isize) {
    LIVE_BYTES.fetch_add(bytes, Ordering::Relaxed);
    let _ = HELD.try_with(|held| {
        held.set(held.get() + bytes);
        let _ = MOST_HELD.try_with(|most| most.set(most.get().max(held.get())));
    });
}

/// Returns whether a block that is about to be freed still holds the text.
///
/// # Safety
/// The block is one that was allocated with this layout and not freed.
unsafe fn look(pointer: *const u8, layout: Layout) {
    if !IS_LOOKING.load(Ordering::Relaxed) {
        return;
    }
    let mut looked_for = [0; 16];
    for (half, bytes) in LOOKED_FOR.iter().zip(looked_for.chunks_exact_mut(8)) {
        bytes.copy_from_slice(&half.load(Ordering::Relaxed).to_ne_bytes());
    }
    let mut matched = 0;
    for offset in 0..layout.size() {
        // SAFETY: it is inside the block. Volatile, since nobody may conclude anything from bytes that were never written.
        let byte = unsafe { pointer.add(offset).read_volatile() } ^ MASK;
        matched = if byte == looked_for[matched] { matched + 1 } else { usize::from(byte == looked_for[0]) };
        if matched == looked_for.len() {
            // The other side of the connection is a TestProvider on a thread of this name.
            let is_the_providers = std::thread::current().name().is_some_and(|name| name.starts_with("testing "));
            LEFT_BEHIND.fetch_add(u64::from(!is_the_providers), Ordering::Relaxed);
            return;
        }
    }
}

// SAFETY: everything is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        hold(-layout.size().cast_signed());
        unsafe { look(pointer, layout) };
        if !IS_WIPING.load(Ordering::Relaxed) {
            return unsafe { System.realloc(pointer, layout, size) };
        }
        // SAFETY: the new block is another one, and the old one is freed once.
        unsafe {
            let new = System.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                pointer.copy_to_nonoverlapping(new, size.min(layout.size()));
                pointer.write_bytes(0, layout.size());
                System.dealloc(pointer, layout);
            }
            new
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(-layout.size().cast_signed());
        unsafe { look(pointer, layout) };
        if IS_WIPING.load(Ordering::Relaxed) {
            unsafe { pointer.write_bytes(0, layout.size()) };
        }
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The number of allocations of this thread during the work.
pub(crate) fn allocations<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = ALLOCATIONS.get();
    let result = work();
    (result, ALLOCATIONS.get() - before)
}

/// The highest number of additional bytes that this thread holds during the work.
pub(crate) fn most_held<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    MOST_HELD.set(before);
    let result = work();
    (result, usize::try_from(MOST_HELD.get() - before).unwrap())
}

/// The memory in use by the whole process.
pub(crate) fn live_bytes() -> isize {
    LIVE_BYTES.load(Ordering::Relaxed)
}

/// For tests of [`left_behind`], before their first secret is made.
pub(crate) fn wipe_freed_blocks() {
    IS_WIPING.store(true, Ordering::SeqCst);
}

/// The number of blocks that still hold the text when they are freed or grow, on any thread but those of a TestProvider.
pub(crate) fn left_behind<T>(text: &str, work: impl FnOnce() -> T) -> (T, u64) {
    let _search = SEARCH.lock().unwrap_or_else(PoisonError::into_inner);
    for (half, bytes) in LOOKED_FOR.iter().zip(text.as_bytes()[..16].chunks_exact(8)) {
        half.store(u64::from_ne_bytes(bytes.try_into().unwrap()) ^ u64::from_ne_bytes([MASK; 8]), Ordering::Relaxed);
    }
    LEFT_BEHIND.store(0, Ordering::Relaxed);
    IS_LOOKING.store(true, Ordering::SeqCst);
    let result = work();
    IS_LOOKING.store(false, Ordering::SeqCst);
    (result, LEFT_BEHIND.load(Ordering::Relaxed))
}
