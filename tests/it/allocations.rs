//! Counts what the current thread allocates, and what it leaves behind in memory that it frees.
#![expect(unsafe_code, reason = "a global allocator is an unsafe trait; this one only counts and looks")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use hallpass::store::Memory;
use hallpass::testing::{TestBrowser, TestProvider};
use hallpass::{AccessToken, AuthorizedClient, CredentialsManager, TokenSource, WebAuth};
use reqwest::{Body, Client, Request};

use crate::scripted_api::{ScriptedApi, answer};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Bytes that this thread has allocated more than it has freed, and the most that these were.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST_HELD: Cell<isize> = const { Cell::new(0) };
    static LOOKED_FOR: Cell<Option<[u8; 16]>> = const { Cell::new(None) };
    static LEFT_BEHIND: Cell<u64> = const { Cell::new(0) };
}

/// Of all threads.
static LIVE_BYTES: AtomicIsize = AtomicIsize::new(0);

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

/// Whether a block that is about to be freed still holds what is looked for.
///
/// # Safety
/// The block is one that was allocated with this layout and not freed.
unsafe fn look(pointer: *const u8, layout: Layout) {
    let Ok(Some(looked_for)) = LOOKED_FOR.try_with(Cell::get) else { return };
    let mut matched = 0;
    for offset in 0..layout.size() {
        // SAFETY: it is inside the block. Volatile, since nobody may conclude anything from bytes that were never written.
        let byte = unsafe { pointer.add(offset).read_volatile() };
        matched = if byte == looked_for[matched] { matched + 1 } else { usize::from(byte == looked_for[0]) };
        if matched == looked_for.len() {
            LEFT_BEHIND.set(LEFT_BEHIND.get() + 1);
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
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(-layout.size().cast_signed());
        unsafe { look(pointer, layout) };
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How many allocations this thread makes meanwhile.
pub(crate) fn allocations<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let before = ALLOCATIONS.get();
    let result = work();
    (result, ALLOCATIONS.get() - before)
}

/// How many bytes more than before this thread holds meanwhile, at most.
pub(crate) fn most_held<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    MOST_HELD.set(before);
    let result = work();
    (result, usize::try_from(MOST_HELD.get() - before).unwrap())
}

/// How much memory the whole process has in use.
pub(crate) fn live_bytes() -> isize {
    LIVE_BYTES.load(Ordering::Relaxed)
}

/// How many bytes more this thread holds afterwards: what it has asked for and not given back.
pub(crate) fn held_by<T>(work: impl FnOnce() -> T) -> (T, isize) {
    let before = HELD.get();
    let result = work();
    (result, HELD.get() - before)
}

/// In how many blocks this thread leaves the text behind meanwhile, by freeing them as they are or by making them grow.
pub(crate) fn left_behind<T>(text: &str, work: impl FnOnce() -> T) -> (T, u64) {
    let looked_for: [u8; 16] = text.as_bytes()[..16].try_into().unwrap();
    LEFT_BEHIND.set(0);
    LOOKED_FOR.set(Some(looked_for));
    let result = work();
    LOOKED_FOR.set(None);
    (result, LEFT_BEHIND.get())
}

/// An API on a thread of its own, so that its allocations are not the client's.
pub(crate) fn api_elsewhere() -> String {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let api = ScriptedApi::start(|_| answer(200, &[], "hello")).await;
            sender.send(api.url("/")).unwrap();
            std::future::pending::<()>().await;
        });
    });
    receiver.recv().unwrap()
}

#[test]
fn a_cached_token_becomes_a_header_without_an_allocation() {
    let token = AccessToken::bearer("2YotnFZFEjr1zCsicMWpAA").unwrap();
    let (header, count) = allocations(|| token.cached().unwrap().header_value().clone());
    assert_eq!(header, "Bearer 2YotnFZFEjr1zCsicMWpAA");
    assert_eq!(count, 0);
}

#[test]
fn a_manager_hands_out_its_token_without_an_allocation() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let provider = runtime.block_on(TestProvider::start());
    let auth = WebAuth::new(provider.issuer(), provider.client_id()).scope("openid offline_access").ephemeral_port();
    let manager = CredentialsManager::new(auth.browser(TestBrowser::new()), Memory::new());
    runtime.block_on(manager.login_if_needed()).unwrap();
    let renewed = runtime.block_on(manager.renew()).unwrap();
    for _ in 0..2 {
        let (header, count) = allocations(|| manager.cached().unwrap().header_value().clone());
        assert_eq!(header, renewed.access_token().header_value());
        assert_eq!(count, 0);
    }
}

/// Against the same request by plain reqwest, with a ready header.
#[test]
fn a_call_costs_at_most_three_allocations_more_than_plain_reqwest() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let url = api_elsewhere();
    let token = AccessToken::bearer("2YotnFZFEjr1zCsicMWpAA").unwrap();
    let plain = Client::builder().no_proxy().redirect(AuthorizedClient::redirect_policy()).build().unwrap();
    let ours = AuthorizedClient::from_builder(Client::builder().no_proxy(), token.clone()).unwrap();
    let wrapped = AuthorizedClient::wrap(plain.clone(), token.clone());
    // tokio boxes a large future by itself, so that both are boxed here.
    // The fewest of many: a pool's housekeeping or a read in two pieces costs some now and then.
    let fewest = |call: &dyn Fn() -> u64| (0..50).map(|_| call()).min().unwrap();
    let get = || plain.get(&url).build().unwrap();
    let post = || plain.post(&url).json(&["a"]).header("x-own", "1").build().unwrap();
    let upload = || plain.post(&url).body(Body::wrap(Body::from("x"))).build().unwrap();
    let requests: [(&str, &dyn Fn() -> Request, u64, u64); 3] =
        [("GET", &get, 0, 1), ("POST", &post, 2, 3), ("upload", &upload, 0, 1)];
    for (name, request, from_builder, from_wrap) in requests {
        let floor = fewest(&|| {
            let mut request = request();
            let call = || {
                request.headers_mut().insert("authorization", token.header_value().clone());
                runtime.block_on(Box::pin(async { plain.execute(request).await.unwrap().bytes().await.unwrap() }))
            };
            allocations(call).1
        });
        for (client, expected) in [(&ours, from_builder), (&wrapped, from_wrap)] {
            let count = fewest(&|| {
                let request = request();
                allocations(|| runtime.block_on(Box::pin(async { client.execute(request).await.unwrap().bytes().await.unwrap() })))
                    .1
            });
            assert_eq!(count - floor, expected, "{name}: {count} against {floor}");
        }
    }
}

#[test]
fn a_login_begins_with_at_most_eight_allocations() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let provider = runtime.block_on(TestProvider::start());
    let auth = WebAuth::new(provider.issuer(), provider.client_id())
        .redirect_uri("http://127.0.0.1:9999/callback")
        .audience("https://api.acme.com")
        .scope("openid profile email offline_access read:messages")
        .max_age(Duration::from_secs(3600))
        .organization("org_acme")
        .login_hint("jane@example.com");
    runtime.block_on(auth.begin()).unwrap();
    let (login, count) = allocations(|| {
        let begin = pin!(auth.begin());
        begin.poll(&mut Context::from_waker(Waker::noop()))
    });
    assert!(matches!(login, Poll::Ready(Ok(_))), "on a warm provider nothing is waited for");
    assert!(count <= 8, "{count} allocations");
}
