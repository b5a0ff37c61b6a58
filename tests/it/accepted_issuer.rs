//! Providers that do not call themselves what they are called, accepted by the option that names it.

use hallpass::testing::{Endpoint, Fault, TestBrowser, TestProvider, TokenDraft};
use hallpass::{Credentials, ErrorKind, Result, WebAuth};

use crate::altered_login::{accepts, application, login, refuses, told, web_auth};

const TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Of the ID token, given the issuer's name with its tenant.
type Alteration = fn(&mut TokenDraft, String);

/// As Entra ID does it: `{tenantid}` in its metadata, a tenant everywhere else.
struct Tenants {
    provider: TestProvider,
    auth: WebAuth,
}

impl Tenants {
    async fn start() -> Self {
        let provider = TestProvider::start().await;
        let template = format!("{}{{tenantid}}/v2.0", provider.issuer());
        provider.always(Endpoint::Discovery, Fault::new().set("issuer", &template));
        let auth = web_auth(&application(&provider).danger_accept_issuer(template));
        Self { provider, auth }
    }

    async fn log_in(&self, callback_issuer: &str, alter: Alteration) -> Result<Credentials> {
        let issuer = format!("{}{TENANT}/v2.0", self.provider.issuer());
        self.provider.next_id_token(move |token| alter(token, issuer.clone()));
        finish_as(&self.auth, callback_issuer).await
    }
}

/// C18
#[tokio::test]
async fn an_issuer_of_many_tenants_is_accepted_where_the_program_says_so() {
    let tenants = Tenants::start().await;
    let own = tenants.provider.issuer().to_owned();
    let credentials = tenants
        .log_in(&format!("{own}{TENANT}/v2.0"), |token, issuer| {
            token.set("iss", issuer).set("tid", TENANT);
        })
        .await
        .unwrap();
    assert_eq!(credentials.user().unwrap().get::<String>("tid").as_deref(), Some(TENANT));
}

/// C18 — token: 1
#[tokio::test]
async fn a_tenants_id_token_has_to_be_of_the_tenant_that_it_names() {
    let tenants = Tenants::start().await;
    let callback_issuer = format!("{}{TENANT}/v2.0", tenants.provider.issuer());
    let rows: [(&str, Alteration); 6] = [
        ("no tenant", |token, issuer| _ = token.set("iss", issuer)),
        ("another tenant", |token, issuer| _ = token.set("iss", issuer).set("tid", "2188040d-6c67-4c5b-b112-36a304b66dad")),
        ("a number", |token, issuer| _ = token.set("iss", issuer).set("tid", 9188)),
        ("an empty one", |token, issuer| _ = token.set("iss", issuer.replace(TENANT, "")).set("tid", "")),
        ("a path", |token, issuer| _ = token.set("iss", issuer.replace(TENANT, "a/b")).set("tid", "a/b")),
        ("another issuer", |token, issuer| _ = token.set("iss", issuer + "/").set("tid", TENANT)),
    ];
    for (number, (row, alter)) in rows.into_iter().enumerate() {
        let error = tenants.log_in(&callback_issuer, alter).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IdToken, "{row}: {error:?}");
        assert!(told(&error).contains("iss is not the issuer"), "{row}: {}", told(&error));
        assert_eq!(tenants.provider.count(Endpoint::Token), number + 1, "{row}");
    }
}

/// C18, C36
#[tokio::test]
async fn a_session_stays_with_its_tenant() {
    const OTHER: &str = "2188040d-6c67-4c5b-b112-36a304b66dad";
    let mut tenants = Tenants::start().await;
    let name = |tenant: &str| format!("{}{tenant}/v2.0", tenants.provider.issuer());
    tenants.auth = tenants.auth.clone().scope("openid offline_access");
    let mut login = tenants.log_in(&name(TENANT), |token, issuer| _ = token.set("iss", issuer).set("tid", TENANT)).await.unwrap();
    for tenant in [TENANT, OTHER] {
        let issuer = name(tenant);
        tenants.provider.next_id_token(move |token| _ = token.set("iss", issuer.as_str()).set("tid", tenant).set("again", tenant));
        let renewed = tenants.auth.application().renew_credentials(&login).await;
        if tenant == OTHER {
            assert_eq!(renewed.unwrap_err().kind(), ErrorKind::LoginRequired);
            break;
        }
        login = renewed.unwrap();
        let user = login.user().unwrap();
        assert_eq!(user.get::<String>("tid").as_deref(), Some(TENANT));
        assert_eq!(user.get::<String>("again").as_deref(), Some(TENANT), "{tenant}");
    }
}

/// C18 — token: 0
#[tokio::test]
async fn a_callback_of_another_issuer_than_a_tenant_is_refused() {
    let tenants = Tenants::start().await;
    let own = tenants.provider.issuer().to_owned();
    for issuer in [own.clone(), format!("{own}{TENANT}"), format!("{own}a/b/v2.0"), format!("https://evil.example/{TENANT}/v2.0")] {
        let error = tenants.log_in(&issuer, |token, issuer| _ = token.set("iss", issuer).set("tid", TENANT)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Callback, "{issuer}: {error:?}");
        assert_eq!(tenants.provider.count(Endpoint::Token), 0, "{issuer}");
    }
}

/// C18: as Google did it.
#[tokio::test]
async fn an_id_token_may_name_its_issuer_otherwise_where_the_program_says_so() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider).danger_accept_issuer("accounts.acme.com"));
    login(&auth).await.unwrap();
    accepts(&provider, &auth, &[("the other name", |token| token.set("iss", "accounts.acme.com"))]).await;
    refuses(
        &provider,
        &auth,
        "iss is not the issuer",
        &[
            ("with more", |token| token.set("iss", "accounts.acme.com.evil.example")),
            ("with a scheme", |token| token.set("iss", "https://accounts.acme.com")),
        ],
    )
    .await;
}

/// C18, D1 — token: 0
#[tokio::test]
async fn metadata_and_callback_name_the_issuer_as_it_is_or_as_the_program_says() {
    let provider = TestProvider::start().await;
    let auth = web_auth(&application(&provider).danger_accept_issuer("accounts.acme.com"));
    for issuer in ["accounts.acme.com.evil.example", "https://accounts.acme.com", "https://evil.example/", ""] {
        provider.next(Endpoint::Discovery, Fault::new().set("issuer", issuer));
        let another = web_auth(&application(&provider).danger_accept_issuer("accounts.acme.com"));
        let error = another.begin().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Discovery, "{issuer}: {error:?}");
    }
    for issuer in ["accounts.acme.com.evil.example", "https://accounts.acme.com", "https://evil.example/", ""] {
        let error = finish_as(&auth, issuer).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Callback, "{issuer}: {error:?}");
    }
    assert_eq!(provider.count(Endpoint::Token), 0);
    finish_as(&auth, "accounts.acme.com").await.unwrap();
    let other = web_auth(&application(&provider).danger_accept_issuer("accounts.acme.com"));
    provider.next(Endpoint::Discovery, Fault::new().set("issuer", "accounts.acme.com"));
    other.begin().await.unwrap();
}

/// A login whose callback names this issuer.
async fn finish_as(auth: &WebAuth, issuer: &str) -> Result<Credentials> {
    let login = auth.begin().await?;
    let callback = TestBrowser::new().visit(login.url()).await.unwrap();
    let mut callback = url::Url::parse(&callback).unwrap();
    let parameters: Vec<_> = callback.query_pairs().into_owned().filter(|(name, _)| name != "iss").collect();
    callback.query_pairs_mut().clear().extend_pairs(parameters).append_pair("iss", issuer);
    auth.finish(login, callback.as_str()).await
}
