use std::time::Duration;

use hallpass::testing::{Api, Fault, TestProvider};
use hallpass::{AccessToken, AuthorizedClient, Result, TokenSource};

use super::Page;

pub(super) async fn go_wrong(page: &mut Page) {
    let provider = TestProvider::start().await;
    let api = Api::start(&provider, "https://api.acme.com").await;
    api.require_scope("/admin", "delete:messages");
    let token = AccessToken::bearer(provider.access_token("https://api.acme.com", "read:messages")).unwrap();
    let anywhere = AuthorizedClient::new(token).unwrap();
    let client = anywhere.clone().base_url(api.url()).unwrap();

    page.note("an API that wants more scope", client.get("admin").send().await);
    let stronger = "Bearer error=\"insufficient_user_authentication\", acr_values=\"urn:mfa\", max_age=300";
    api.next(Fault::status(401).header("www-authenticate", stronger));
    page.note("an API that wants a stronger login", client.get("").send().await);

    page.note("a URL elsewhere", client.get("https://files.acme.com/").send().await);
    page.note("a URL without https", anywhere.get("http://api.acme.com/").send().await);
    page.note("a URL with a password", anywhere.get("https://jane:canary@api.acme.com/").send().await);
    page.note("a relative URL and no base", anywhere.get("messages").send().await);
    page.note("another Host", client.get("").header("host", "files.acme.com").send().await);

    for _ in 0..11 {
        api.next(Fault::redirect("/again"));
    }
    page.note("an API that redirects for ever", client.get("").send().await);
    api.next(Fault::close());
    page.note("an API that hangs up", client.get("").send().await);
    api.next(Fault::stall());
    page.note("an API that does not answer", client.get("").timeout(Duration::from_millis(50)).send().await);
    let slow = AuthorizedClient::new(Never).unwrap().base_url(api.url()).unwrap();
    page.note("a token that does not come", slow.get("").timeout(Duration::from_millis(50)).send().await);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    page.note("nobody at the API's address", anywhere.get(format!("http://{nobody}/")).send().await);
}

/// A source that never has one.
struct Never;

impl TokenSource for Never {
    async fn token(&self, _: Option<&AccessToken>) -> Result<AccessToken> {
        std::future::pending().await
    }
}
