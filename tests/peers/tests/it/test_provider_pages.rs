//! The pages of a `TestProvider` for a person who logs in by hand.
use hallpass::testing::{Endpoint, TestProvider};
use hallpass::{Application, WebAuth};
use hallpass_peers::{InspectedPage, Person};

#[tokio::test]
async fn the_login_page_says_who_asks_and_what_was_wrong() {
    let (provider, person) = (TestProvider::start().await, Person::sits_down().await);
    let login = WebAuth::new(provider.issuer(), provider.client_id()).login_hint("jane@example.com").ephemeral_port();
    let login = login.audience("https://api.acme.com").scope("openid profile email read:messages").browser(person.browser());
    let (credentials, ()) = tokio::join!(login.start(), async {
        person.sees("to continue to").await;
        let page = inspect(&person, "provider-login").await;
        assert_eq!((&*page.title, &*page.headings), ("Log in", &["Log in".to_owned()][..]));
        assert_eq!(page.controls, ["Email address", "Password", "Continue", "Cancel"]);

        person.logs_in_at_the_test_provider("jane@example.com", "wrong").await;
        person.sees("Wrong email or password").await;
        let page = inspect(&person, "provider-login-refused").await;
        assert_eq!(page.title, "Error: Log in");
        assert_eq!(page.announced, ["Wrong email or password."]);

        person.logs_in_at_the_test_provider("jane@example.com", "right").await;
        person.sees("asks for").await;
        let page = inspect(&person, "provider-consent").await;
        assert_eq!(page.headings, ["Authorize native"]);
        assert_eq!(page.controls, ["Accept", "Decline"]);
        assert!(page.text.contains("read:messages") && page.text.contains("https://api.acme.com"), "{}", page.text);
        person.click("button[value=accept]").await;
    });
    credentials.unwrap();
}

#[tokio::test]
async fn the_activation_page_shows_the_code_and_where_it_ends() {
    let (provider, person) = (TestProvider::start().await, Person::sits_down().await);
    let mut device = Application::new(provider.issuer(), provider.client_id()).device().start().await.unwrap();
    person.opens(device.verification_uri_complete().unwrap()).await.unwrap();
    let page = inspect(&person, "provider-device").await;
    assert_eq!(page.headings, ["Connect a device"]);
    assert_eq!(page.controls, ["Code", "Confirm"]);

    person.types("input[name=user_code]", "NONE-NONE").await;
    person.click("button[value=accept]").await;
    person.sees("No device waits with this code.").await;
    let page = inspect(&person, "provider-device-refused").await;
    assert_eq!(page.announced, ["No device waits with this code."]);

    person.types("input[name=user_code]", device.user_code()).await;
    person.click("button[value=accept]").await;
    person.logs_in_at_the_test_provider("jane@example.com", "right").await;
    person.sees("asks for").await;
    person.click("button[value=accept]").await;
    person.sees("return to the device").await;
    let page = inspect(&person, "provider-device-connected").await;
    assert_eq!(page.headings, ["Device connected"]);
    device.wait().await.unwrap();
}

#[tokio::test]
async fn a_callback_url_that_is_not_registered_is_named() {
    let (provider, person) = (TestProvider::start().await, Person::sits_down().await);
    let mut url = provider.endpoint_url(Endpoint::Authorize);
    url.query_pairs_mut()
        .append_pair("client_id", provider.client_id())
        .append_pair("redirect_uri", "http://127.0.0.1:21965/somewhere-else");
    person.opens(&url).await.unwrap();
    let page = inspect(&person, "provider-notice").await;
    assert_eq!(page.headings, ["Callback URL mismatch"]);
    assert!(page.text.contains("http://127.0.0.1:21965/somewhere-else"), "{}", page.text);
}

/// The common parts of all these pages.
async fn inspect(person: &Person, name: &str) -> InspectedPage {
    let page = person.inspects(name).await;
    assert_eq!(page.language, "en");
    assert_eq!(page.landmarks, ["banner", "main"]);
    assert_eq!(page.headings.len(), 1);
    assert!(page.text.contains("Test provider"), "nobody takes it for a real one: {}", page.text);
    page
}
