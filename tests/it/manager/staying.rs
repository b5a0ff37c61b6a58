//! The session of the person at a program, in one line.

use hallpass::store::Memory;
use hallpass::testing::{Endpoint, TestBrowser, TestClock, TestProvider};
use hallpass::{ErrorKind, stay_logged_in};

use super::{HOUR, user_of, web_auth};

#[tokio::test]
async fn a_second_start_of_a_program_finds_the_login_of_the_first() {
    let (clock, store) = (TestClock::new(), Memory::new());
    let provider = TestProvider::builder().clock(clock.clone()).access_token_life(HOUR).start().await;
    let started = || stay_logged_in(web_auth(&provider, &clock).browser(TestBrowser::new()), store.clone());

    let first = started().await.unwrap().credentials().await.unwrap();
    let second = started().await.unwrap().credentials().await.unwrap();
    assert_eq!(second.access_token(), first.access_token());
    clock.advance(HOUR);
    let renewed = started().await.unwrap().credentials().await.unwrap();
    assert_ne!(renewed.access_token(), first.access_token());
    assert_eq!(user_of(&renewed), user_of(&first));
    assert_eq!(provider.count(Endpoint::Authorize), 1, "the browser was needed once");
}

#[tokio::test]
async fn a_person_who_says_no_is_not_logged_in() {
    let (clock, store) = (TestClock::new(), Memory::new());
    let provider = TestProvider::builder().clock(clock.clone()).start().await;
    let refusing = web_auth(&provider, &clock).browser(TestBrowser::new().refusing());
    let error = stay_logged_in(refusing, store.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(provider.count(Endpoint::Token), 0, "nothing was redeemed");
}
