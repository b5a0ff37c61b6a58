//! The pages that the person sees when the browser has come back to the program.
use hallpass::testing::{Endpoint, TestProvider};
use hallpass::web_auth::{CallbackPage, Logout};
use hallpass::{ErrorKind, WebAuth};
use hallpass_peers::{InspectedPage, Person};
use url::Url;

/// E18
#[tokio::test]
async fn a_login_that_was_verified_is_shown_as_done() {
    let (provider, person) = (TestProvider::start().await, Person::sits_down().await);
    let login = auth(&provider, &person);
    let (credentials, ()) = tokio::join!(login.start(), jane_logs_in(&person));
    credentials.unwrap();
    person.sees("You are logged in").await;

    let page = inspect(&person, "callback-done").await;
    assert_eq!(page.title, "You are logged in – Acme Mail");
    assert_eq!(page.announced, ["You are logged in\n\nGo back to Acme Mail: it is ready.\n\nYou can close this page."]);
    assert!(!page.text.contains("jane"), "nothing of the login is shown: {}", page.text);
}

#[tokio::test]
async fn a_login_that_is_not_what_it_claims_is_shown_as_failed() {
    let (provider, person) = (TestProvider::start().await, Person::sits_down().await);
    provider.next_id_token(|token| {
        token.set("aud", "somebody-else");
    });
    let login = auth(&provider, &person);
    let (forged, ()) = tokio::join!(login.start(), jane_logs_in(&person));
    assert_eq!(forged.unwrap_err().kind(), ErrorKind::IdToken);
    person.sees("The login did not work").await;

    let page = inspect(&person, "callback-failed").await;
    assert_eq!(page.title, "The login did not work – Acme Mail");
    assert!(page.announced[0].contains("Go back to Acme Mail: it says what happened."), "{page:?}");
}

#[tokio::test]
async fn a_person_who_refuses_sees_that_no_access_was_given() {
    let (provider, person) = (TestProvider::start().await, Person::sits_down().await);
    let login = auth(&provider, &person);
    let (refusal, ()) = tokio::join!(login.start(), person.click("button[value=cancel]"));
    assert_eq!(refusal.unwrap_err().kind(), ErrorKind::Cancelled);
    person.sees("The login was cancelled").await;

    let page = inspect(&person, "callback-refused").await;
    assert_eq!(page.title, "The login was cancelled – Acme Mail");
    assert!(page.announced[0].contains("No access was given. To try again, start from Acme Mail."), "{page:?}");
}

/// E18
#[tokio::test]
async fn a_person_who_would_wait_too_long_is_sent_back_to_the_program() {
    let (provider, person) = (TestProvider::start().await, Person::sits_down().await);
    let (login, gate) = (auth(&provider, &person), provider.hold(Endpoint::Token));
    let (credentials, page) = tokio::join!(login.start(), async {
        jane_logs_in(&person).await;
        person.sees("The login is being checked").await;
        let page = inspect(&person, "callback-pending").await;
        gate.release();
        page
    });
    credentials.unwrap();
    assert_eq!(page.title, "The login is being checked – Acme Mail");
    assert!(page.announced[0].contains("Go back to Acme Mail: it says how it ends."), "{page:?}");
}

#[tokio::test]
async fn a_person_who_logged_out_is_told_so() {
    let (provider, person) = (TestProvider::start().await, Person::sits_down().await);
    let return_to = "http://127.0.0.1:21967/callback";
    auth(&provider, &person).logout(&Logout::new().return_to(return_to)).await.unwrap();
    person.sees("You are logged out").await;

    let page = inspect(&person, "callback-logged-out").await;
    assert_eq!(page.title, "You are logged out – Acme Mail");
}

#[tokio::test]
async fn whoever_comes_for_nothing_is_told_so() {
    let (provider, person) = (TestProvider::start().await, Person::sits_down().await);
    let login = auth(&provider, &person);
    let (credentials, page) = tokio::join!(login.start(), async {
        person.sees("Log in").await;
        let login_page = person.url().await;
        let state = &provider.requests(Endpoint::Authorize)[0];
        let mut elsewhere: Url = state.parameter("redirect_uri").unwrap().parse().unwrap();
        elsewhere.set_query(Some("code=stolen&state=guessed"));
        person.opens(&elsewhere).await.unwrap();
        let page = inspect(&person, "callback-stray").await;
        person.opens(&login_page).await.unwrap();
        jane_logs_in(&person).await;
        page
    });
    credentials.unwrap();
    assert_eq!(page.title, "There is nothing to do here – Acme Mail");
    assert!(!page.text.contains("guessed"), "nothing of the request is shown: {}", page.text);
}

#[tokio::test]
async fn a_program_without_a_name_has_a_page_all_the_same() {
    let (provider, person) = (TestProvider::start().await, Person::sits_down().await);
    let login = auth(&provider, &person).callback_page(CallbackPage::new());
    let (credentials, ()) = tokio::join!(login.start(), jane_logs_in(&person));
    credentials.unwrap();
    person.sees("You are logged in").await;

    let page = person.inspects("callback-nameless").await;
    assert_eq!((&*page.title, &*page.landmarks), ("You are logged in", &["main".to_owned()][..]));
    assert!(page.text.contains("Go back to the application: it is ready."), "{}", page.text);
}

#[tokio::test]
async fn a_programs_own_page_is_in_its_own_words_and_style() {
    let (provider, person) = (TestProvider::start().await, Person::sits_down().await);
    let own = CallbackPage::new()
        .name("Acme Post")
        .language("de")
        .style("body{margin:1.5rem;font:1.25rem/1.5 Georgia,serif;background:#fdf6e3;color:#1c3a2f} h1{font-size:1.5rem;color:#7a1f1f}")
        .done_html("Angemeldet", "<h1>Willkommen zurück!</h1><p>Acme Post ist bereit. Du kannst diese Seite schließen.</p>");
    let login = auth(&provider, &person).callback_page(own);
    let (credentials, ()) = tokio::join!(login.start(), jane_logs_in(&person));
    credentials.unwrap();
    person.sees("Willkommen zurück!").await;

    let page = person.inspects("callback-own").await;
    assert_eq!((&*page.title, &*page.language), ("Angemeldet – Acme Post", "de"));
    assert_eq!(page.headings, ["Willkommen zurück!"]);
    assert_eq!(page.landmarks, ["banner", "main"]);
}

fn auth(provider: &TestProvider, person: &Person) -> WebAuth {
    WebAuth::new(provider.issuer(), provider.client_id())
        .ephemeral_port()
        .callback_page(CallbackPage::new().name("Acme Mail"))
        .browser(person.browser())
}

async fn jane_logs_in(person: &Person) {
    person.logs_in_at_the_test_provider("jane@example.com", "password").await;
    person.sees("asks for").await;
    person.click("button[value=accept]").await;
}

/// The common parts of all these pages.
async fn inspect(person: &Person, name: &str) -> InspectedPage {
    let page = person.inspects(name).await;
    assert_eq!(page.language, "en");
    assert_eq!(page.landmarks, ["banner", "main"]);
    assert_eq!(page.headings.len(), 1);
    assert!(page.title.starts_with(&page.headings[0]), "{page:?}");
    assert!(page.text.contains("You can close this page."), "{}", page.text);
    page
}
